"""Two runs compared: nothing of the difference is lost, and what can't be compared is not."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.ledger.facts import ArchivedPart
from pytest_dgbudget.report.comparison_document import ComparisonDocument, compare
from pytest_dgbudget.report.comparison_text import comparison_csv, comparison_markdown, comparison_text
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.projection import usage_document
from tests.support import facts
from tests.support.pages import at_pace_max, ordinary
from tests.support.shards import changed, report


def documents(target: str) -> st.SearchStrategy[UsageDocument]:
    """Return the reports of runs of one target, with tests that were emulated all the same."""
    return st.builds(usage_document, facts.runs().map(lambda run: run._replace(target=target, billed=target == "live")))


LIVE = documents("live")
LOST_X: dict[str, Any] = {
    "leases": (facts.lease(id="x", attempt="x", how="orphaned", ended_ms=10_000, ended_micro_usd=12_500),),
    "sessions": (facts.session(id="x", lease="x", attempt="x", ms=None, micro_usd=None),),
}
PAIRS = st.tuples(LIVE, LIVE) | st.tuples(*[documents("emulator")] * 2)


def lines(document: ComparisonDocument) -> list[str]:
    return list(comparison_text(document, width=80, color=False))


def in_thousandths(value: float | None) -> int:
    assert value is not None
    return round(1000 * value)


@given(PAIRS)
def test_the_reasons_add_up_to_the_difference_which_can_be_shown(runs: tuple[UsageDocument, UsageDocument]) -> None:
    found = compare(*runs)
    can_be_shown(found)
    assert sum(in_thousandths(each["seconds"]) for each in found["reasons"]) == in_thousandths(found["delta_seconds"])
    in_money = [each["usd"] for each in found["reasons"]]
    if found["delta_usd"] is None:
        assert set(in_money) <= {None}
    else:
        assert round(sum(each or 0 for each in in_money) * 1e6) == round(found["delta_usd"] * 1e6)


def can_be_shown(found: ComparisonDocument) -> None:
    assert all(line.isprintable() for line in lines(found))
    assert json.loads(json.dumps(found)) == found
    rows = list(csv.reader(StringIO(comparison_csv(found), newline=""), strict=True))
    assert len(rows) == 1 + len(found["tests"])
    assert {len(row) for row in rows} == {len(rows[0])}
    assert comparison_markdown(found).count("### ") in (1, 2)


@given(LIVE, LIVE)
def test_the_difference_of_live_runs_is_that_of_their_reports(before: UsageDocument, after: UsageDocument) -> None:
    used = [in_thousandths(each["run"]["used_seconds"]) for each in (before, after)]
    found = compare(before, after)
    assert in_thousandths(found["delta_seconds"]) == used[1] - used[0]
    costs = before["run"]["cost_usd"], after["run"]["cost_usd"]
    assert (found["delta_usd"] is None) == (None in costs)


@given(LIVE | documents("emulator"))
def test_a_run_does_not_differ_from_itself(document: UsageDocument) -> None:
    found = compare(document, document)
    assert (found["delta_seconds"], found["reasons"]) == (0, [])
    assert not any(test["delta_seconds"] for test in found["tests"])
    assert "no difference: " in "\n".join(lines(found))


def test_what_was_billed_is_not_held_against_what_was_not() -> None:
    emulated = report("a", "x", "y", target="emulator", billed=False)
    found = compare(emulated, report("b", "x"))
    assert (found["delta_seconds"], found["delta_usd"], found["reasons"]) == (None, None, [])
    assert all(test["delta_seconds"] is None and test["delta_usd"] is None for test in found["tests"])
    said = lines(found)
    assert (
        "one run is of target emulator, the other of target live: what was billed and what was not are not held "
        "against each other"
    ) in said
    assert any("emulator, not billed" in line and "live, billed" in line for line in said)
    assert any("test_y" in line for line in said), "only one run has it"


def test_emulated_runs_are_compared_as_they_would_be_live() -> None:
    skipping = facts.session(id="x", lease="x", attempt="x", skipped_ms=6000, forecast_micro_usd=11_400)
    same = {"target": "emulator", "billed": False}
    found = compare(report("a", "x", **same), report("b", "x", sessions=(skipping,), **same))
    (reason,) = found["reasons"]
    assert (reason["reason"], reason["seconds"]) == ("length", 6.0)
    assert found["after"]["spending"]["seconds"] == 9.0


def test_tests_of_one_run_alone_and_reruns_are_told() -> None:
    after = report("b", "x", "z")
    rerun: Any = {**after, "tests": [*after["tests"], {**after["tests"][0], "attempt": 2}]}
    rerun["sessions"] = [*after["sessions"], {**after["sessions"][0], "attempt": 2, "id": "again"}]
    rerun["run"] = {**after["run"], "used_seconds": 9.0, "cost_usd": 0.0114, "sessions": 3}
    found = compare(report("a", "x", "y"), rerun)
    assert {each["reason"]: (each["usd"], each["tests"]) for each in found["reasons"]} == {
        "new-tests": (0.0038, 1),
        "gone-tests": (-0.0038, 1),
        "sessions": (0.0038, 1),
    }
    assert [(test["nodeid"][-1], test["delta_usd"]) for test in found["tests"]] == [
        ("x", 0.0038),
        ("y", -0.0038),
        ("z", 0.0038),
    ]
    assert {each["mostly"] for each in found["reasons"]} == {f"test_x.py::test_{name}" for name in "xyz"}


def test_what_rounds_to_nothing_as_shown_is_in_json_alone() -> None:
    after = changed(report("b", "x", "y"), "run", cost_usd=0.007601)
    after["tests"][0]["cost_usd"] = 0.003801
    found = compare(report("a", "x"), after)
    assert [(each["reason"], each["usd"]) for each in found["reasons"]] == [("new-tests", 0.0038), ("rounding", 1e-6)]
    said = lines(found)
    assert "  +$0.0038: 1 new test" in said
    assert not any("rounding" in line for line in said)
    del after["tests"][1], after["sessions"][1]
    alone = lines(compare(report("a", "x"), changed(after, "run", used_seconds=3.0, cost_usd=0.003801)))
    assert "  +<$0.0001: rounding of costs in 1 test" in alone


def test_where_a_cost_is_not_known_time_is_compared() -> None:
    before = changed(report("a", "x"), "run", cost_usd=None)
    found = compare(before, report("b", "x", "y"))
    assert (found["delta_seconds"], found["delta_usd"]) == (3.0, None)
    assert [(each["reason"], each["seconds"], each["usd"]) for each in found["reasons"]] == [("new-tests", 3.0, None)]
    said = lines(found)
    first = said.index("a part of the cost is not known, so it is time that is compared")
    assert said[first + 1] == "+3.00s in all, of which:"


def test_what_is_known_of_a_cost_is_that_of_the_sessions_which_have_one() -> None:
    priced = facts.session(id="x", lease="x", attempt="x")
    unpriced = priced._replace(id="y", lease="y", micro_usd=None)
    after = report("b", "x", sessions=(priced, unpriced))
    after["tests"][0]["cost_usd"] = after["run"]["cost_usd"] = None
    spending = compare(report("a", "x"), after)["after"]["spending"]
    assert (spending["cost_usd"], spending["known_usd"]) == (None, after["sessions"][0]["cost_usd"])
    assert spending["known_usd"] > 0


def test_estimates_are_marked() -> None:
    after = report("b", "x", "y")
    after["tests"][0]["estimated"] = True
    found = compare(report("a", "x"), after)
    assert (found["before"]["spending"]["estimated"], found["after"]["spending"]["estimated"]) == (False, True)
    said = lines(found)
    assert said[-1] == "~ is an estimate, the highest that it may be"
    assert [line.count("~") for line in said if line.startswith("cost ")] == [1]
    rows = list(csv.DictReader(StringIO(comparison_csv(found), newline="")))
    assert {(row["nodeid"][-1], row["before_estimated"], row["after_estimated"]) for row in rows} == {
        ("x", "false", "true"),
        ("y", "", "false"),
    }


def test_what_nobody_saw_is_a_part_of_its_own() -> None:
    found = compare(report("a", "x"), report("b", "x", **LOST_X))
    assert {each["reason"]: each["seconds"] for each in found["reasons"]} == {"sessions": -3.0, "unseen": 10.0}
    assert found["after"]["spending"]["at_risk_seconds"] == 10.0


def test_what_the_statement_has_is_not_at_risk() -> None:
    (lost,) = LOST_X["leases"]
    stated = report("b", "x", **{**LOST_X, "leases": (lost._replace(stated_ms=6000),)})
    found = compare(report("a", "x"), stated)
    assert (found["after"]["spending"]["seconds"], found["after"]["spending"]["at_risk_seconds"]) == (6.0, 0.0)


def test_what_of_a_run_is_archived_is_a_part_of_its_own() -> None:
    part = ArchivedPart("old.jsonl.gz", facts.AT, facts.AT, 2, 4000, 5000)
    found = compare(report("a", "x"), report("b", "x", archived=(part,)))
    (reason,) = found["reasons"]
    assert (reason["reason"], reason["seconds"], reason["usd"]) == ("unlisted", 4.0, 0.005)


def test_reports_of_earlier_versions_can_be_compared() -> None:
    document: Any = report("a", "x")
    for name in ("turns", "latency_p50_ms", "latency_p95_ms"):
        del document["run"][name]
    assert any(line.startswith("tests") for line in lines(compare(document, document)))


def test_latencies_of_pace_max_are_not_shown() -> None:
    fast = at_pace_max()
    said = lines(compare(fast, fast))
    assert fast["run"]["latency_p50_ms"] is not None
    assert [line.split() for line in said if line.startswith("latency")] == [
        ["latency", "p50", "-", "-"],
        ["latency", "p95", "-", "-"],
    ]
    known = lines(compare(ordinary(), ordinary()))
    assert [line for line in known if line.startswith("latency p50") and " ms" in line]


@pytest.mark.parametrize("width", [80, 200])
def test_hundreds_of_tests_fit_the_terminal(width: int) -> None:
    names = [f"{number}-{'x' * 100}" for number in range(300)]
    said = list(comparison_text(compare(report("a"), report("b", *names)), width=width, color=False))
    assert max(map(len, said)) <= width or width == 80
    assert "… and 280 more that differ, all with --json and --format=csv" in said
