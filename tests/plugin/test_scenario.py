"""Scenarios as tests choose them: marker and ini key, each test its own, in parallel as well."""

from __future__ import annotations

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import Vendor


@pytest.fixture
def orders(project: Project) -> Project:
    project.use("scenario/orders.toml", "scenario/test_orders.py")
    return project


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_each_test_is_played_its_own_scenario(orders: Project, workers: str) -> None:
    ended = orders.run(workers)
    assert ended.status == 0, ended.output
    assert ended.usage["reconciliation"]["verdict"] == "reconciled"


@pytest.mark.slow
def test_the_ini_key_chooses_for_tests_without_a_marker(orders: Project) -> None:
    orders.write("pytest.ini", "[pytest]\ndg_scenario = orders.toml::found\n")
    orders.use("scenario/test_ini_key.py")
    ended = orders.run("test_ini_key.py")
    assert ended.status == 0, ended.output


@pytest.mark.slow
def test_a_bad_scenario_fails_its_test_in_setup_with_line_and_key_and_opens_nothing(orders: Project) -> None:
    text = (orders.path / "orders.toml").read_text(encoding="utf-8")
    orders.write("orders.toml", text.replace('reply = "It', 'replly = "It'))
    ended = orders.run("-k", "first or none")
    assert ended.outcomes() == {"test_none": "passed"}
    assert "orders.toml, line 5, scenario.turn.replly: no such key; did you mean reply?" in ended.output
    assert "def granted(" not in ended.output  # nothing of ours is shown


@pytest.mark.slow
def test_a_bad_marker_fails_its_own_test_and_no_other(orders: Project) -> None:
    bad = {
        '"orders.toml", name="other"': "has no scenario 'other'; it has: found, lost",
        '"nowhere.toml"': "there is no file",
        '"orders.toml::found"': "to choose a scenario, write dg_scenario('FILE', name='NAME')",
        'name="found"': "names no file, and neither does --dg-scenario",
        "": "@pytest.mark.dg_scenario() is not understood",
        '"orders.toml", nam="found"': "nam='found') is not understood",
        '"orders.toml", file="orders.toml"': "file='orders.toml') is not understood",
        "17": "@pytest.mark.dg_scenario(17) is not understood",
    }
    marked = [f"@pytest.mark.dg_scenario({marker})\ndef test_bad(voice_agent): pass\n" for marker in bad]
    for n, test in enumerate(marked):
        orders.write(f"test_bad_{n}.py", f"import pytest\n{test}")
    ended = orders.run("-k", "bad or first")
    assert f"1 passed, 2 deselected, {len(bad)} errors" in ended.output
    assert [why for why in bad.values() if why not in ended.output] == []


@pytest.mark.slow
def test_a_live_target_is_sent_no_header_of_ours(orders: Project) -> None:
    with Vendor() as vendor:
        ended = orders.run("-k", "named", "--dg-target=live", "--dg-budget=10s", env=vendor.environ)
        assert "about order 17" in ended.output
        (seen,) = vendor.wait_closed(1)
    assert [name for name in seen.headers if name.startswith("x-dgbudget")] == []
