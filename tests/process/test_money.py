"""Budgets in money with real processes, against a vendor that prices what it received by itself."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from tests.support.ledger import rows_of
from tests.support.priced_vendor import PricedVendor
from tests.support.project import Project
from tests.support.rehearsal import rehearsal


@pytest.fixture
def priced() -> Iterator[PricedVendor]:
    with PricedVendor() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_i3_a_client_that_raises_its_tier_at_the_worst_moment_costs_no_more_than_its_budget(
    project: Project, priced: PricedVendor, workers: str
) -> None:
    project.use("spending/test_raises.py")
    result = project.run(workers, "--dg-cost-budget=0.06", "test_raises.py", env=priced.environ, timeout=180)
    assert result.status == 1, result.output
    seen = priced.wait_closed(11)
    assert len(seen) == 11, result.output
    assert priced.total_dollars <= 0.06
    outcomes = {test["nodeid"].rpartition("::")[2]: test for test in result.usage["tests"]}
    for name, test in outcomes.items():
        assert (test["outcome"], test["verdict"]) == ("failed", "overrun"), name
        assert test["cost_usd"] <= test["cost_budget_usd"]
    by_id = {session["request_id"]: session for session in result.usage["sessions"]}
    dollars = dict.fromkeys(outcomes, 0.0)
    for each in seen:
        dollars[by_id[each.request_id]["nodeid"].rpartition("::")[2]] += priced.dollars(each)
    for name, cost in dollars.items():
        assert cost <= outcomes[name]["cost_budget_usd"], name
    raised = {by_id[each.request_id]["nodeid"].rpartition("[")[2]: priced.raised(each) for each in seen}
    assert raised["2.9]"]
    assert not raised["3.6]"]
    assert re.search(r"test budget of \$0\.005 used up, \$0\.00\d+ used in \d\.\d+s", result.output)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        (("--dg-budget=2s", "--dg-cost-budget=1"), r"run budget of 2s used up, 1\.\d+s used \(\$0\.002\d+\)"),
        (("--dg-budget=1m", "--dg-cost-budget=0.003"), r"run budget of \$0\.003 used up, \$0\.00\d+ used in 2\.\d+s"),
    ],
    ids=["time", "money"],
)
def test_whichever_budget_is_reached_first_cuts_and_is_named_with_both_figures(
    project: Project, priced: PricedVendor, budgets: tuple[str, str], said: str
) -> None:
    project.use("spending/test_waits.py")
    result = project.run(*budgets, "--junitxml=junit.xml", "test_waits.py", env=priced.environ)
    (seen,) = priced.wait_closed(1)
    assert result.status == 1
    assert re.search(said, result.output), result.output
    (test,), run = result.usage["tests"], result.usage["run"]
    by_time = "2s" in budgets[0]
    assert seen.seconds <= (2 if by_time else 60)
    assert priced.dollars(seen) <= run["cost_budget_usd"]
    # Ours begins with the dial and ends when our socket is closed.
    assert priced.dollars(seen) - 0.0001 <= test["cost_usd"] <= priced.dollars(seen) + 0.001
    assert test["overrun"]["currency"] == ("time" if by_time else "money")
    root = ET.parse(project.path / "junit.xml").getroot()
    properties = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert float(properties["dgbudget.cost_usd"] or 0) == run["cost_usd"] == test["cost_usd"]
    assert float(properties["dgbudget.seconds"] or 0) == run["used_seconds"] == test["used_seconds"]


@pytest.mark.slow
def test_where_the_runs_money_is_spent_a_test_is_skipped_on_request(project: Project, priced: PricedVendor) -> None:
    project.use("spending/test_waits.py")
    result = project.run("--dg-cost-budget=0", "--dg-on-exhausted=skip", "-rs", "test_waits.py", env=priced.environ)
    assert result.status == 0, result.output
    assert "run budget of $0 allows nothing" in result.output
    assert result.usage["run"]["verdict"] == "overrun"
    assert priced.connections == []


WINDOW = """[window]
day = "3s"
month = "$1"
"""
COUNTED = """SELECT COALESCE(SUM(lease_end.ms), 0) FROM lease JOIN lease_end ON lease_end.lease = lease.id
    JOIN run ON run.id = lease.run WHERE run.billed = 1"""


@pytest.mark.slow
def test_i3_runs_one_after_another_share_a_day_and_what_nobody_bills_changes_nothing_of_it(
    project: Project, priced: PricedVendor
) -> None:
    project.use("spending/test_waits.py")
    project.write("dgbudget.toml", WINDOW)
    arguments = ("--dg-budget=1m", "test_waits.py")
    first = project.run(*arguments, "--dg-test-budget=1s", env=priced.environ)
    assert "test budget of 1s used up" in first.output
    assert first.usage["run"]["billed"]
    counted = rows_of(project.path, COUNTED)
    emulated = project.run(*arguments, "--dg-test-budget=1s", "--dg-target=emulator")
    assert (emulated.usage["run"]["billed"], emulated.usage["run"]["sessions"]) == (False, 1)
    with rehearsal() as stand_in:
        rehearsed = project.run(*arguments, "--dg-test-budget=1s", env=stand_in.environ)
    assert (rehearsed.usage["run"]["billed"], rehearsed.usage["run"]["sessions"]) == (False, 1)
    assert rows_of(project.path, COUNTED) == counted
    second = project.run(*arguments, "--dg-test-budget=10s", env=priced.environ)
    assert "day window of 3s used up" in second.output
    third = project.run(*arguments, env=priced.environ)
    assert "day window of 3s nearly spent" in third.output
    assert len(priced.wait_closed(2)) == 2
    assert 2.5 < priced.total_seconds <= 3


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "is_said"), [("from-then-on", False), ("first", True), ("highest", True)])
def test_what_a_change_of_tier_costs_by_another_rule_is_a_remark(project: Project, rule: str, is_said: bool) -> None:
    project.use("spending/test_changes.py")
    with rehearsal("--vendor", f"tier_change={rule}") as stand_in:
        result = project.run("--dg-reconcile=require", "--dg-tolerance=200ms,2%", env=stand_in.environ)
    assert result.status == 0, result.output
    reconciliation = result.usage["reconciliation"]
    assert reconciliation["verdict"] == "reconciled"
    assert {line["class"] for line in reconciliation["lines"]} <= {"matched", "within-tolerance"}
    assert ("1 session changed the tier: by our prices that is $0.0" in result.output) == is_said, result.output
