"""What tests set at the emulator while they run: its scenario, and messages that they inject."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.project import PROJECTS, Project
from tests.support.rules_project import RulesProject, made_once, rules_in

RULES = ("from_a_test/test_scenario.py", "from_a_test/test_inject.py")
PAGE = (PROJECTS.parents[1] / "docs" / "emulator.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rules_project(tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    def run(path: Path) -> RulesProject:
        return RulesProject(path, [*RULES, "from_a_test/orders.toml"], "--dg-pace=max", env={})

    return made_once(tmp_path_factory, "from_a_test", run)


@pytest.mark.parametrize("rule", [rule for file in RULES for rule in rules_in(file)])
def test_rule(rules_project: RulesProject, rule: str) -> None:
    rules_project.check(rule)


def test_what_was_injected_leaves_the_bill_as_it_is(rules_project: RulesProject) -> None:
    assert rules_project.usage["reconciliation"]["verdict"] == "reconciled", rules_project.output


@pytest.mark.slow
def test_under_xdist_each_test_has_what_it_has_set_itself(project: Project) -> None:
    project.use("from_a_test")
    ended = project.run("-n2", "--dg-pace=max")
    assert ended.status == 0, ended.output


def test_the_page_has_the_example_as_it_is() -> None:
    example = (PROJECTS / "from_a_test/test_example.py").read_text(encoding="utf-8")
    assert f"```python\n{example}```" in PAGE


@pytest.mark.slow
def test_the_example_of_the_page_passes(project: Project) -> None:
    project.use("from_a_test/test_example.py")
    ended = project.run("--dg-pace=max")
    assert ended.status == 0, ended.output
