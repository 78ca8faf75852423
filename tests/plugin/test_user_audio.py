"""User audio in both faces, against the gateway and the emulator: each rule is a test of one project, run once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rules_project import RulesProject, made_once, rules_in

CONFTEST, ASYNC, SYNC = "audio/conftest.py", "audio/test_async.py", "audio/test_sync.py"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    def run(path: Path) -> RulesProject:
        files, target = [CONFTEST, ASYNC, SYNC], ("--dg-target=emulator", "--dg-pace=max")
        return RulesProject(path, files, *target, "--dg-test-budget=20m", env={})

    return made_once(tmp_path_factory, "user_audio", run)


@pytest.mark.parametrize("rule", [*rules_in(ASYNC), *rules_in(SYNC)])
def test_rule(rules: RulesProject, rule: str) -> None:
    rules.check(rule)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_rules_hold_in_both_loops(rules: RulesProject, backend: str) -> None:
    assert {f"{rule}[{backend}]" for rule in rules_in(ASYNC)} <= rules.ran


def test_nothing_else_is_said_of_a_source(rules: RulesProject) -> None:
    assert "never retrieved" not in rules.output
    assert "Warning" not in rules.output
