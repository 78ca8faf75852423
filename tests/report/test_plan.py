"""A plan in a terminal: the dearest tests, the sums, and a line for each budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_dgbudget.config.resolve import resolve
from pytest_dgbudget.report.plan import PlanDocument, plan_document, plan_text
from pytest_dgbudget.rules.budget import Scope
from pytest_dgbudget.rules.plan import plan
from tests.rules.test_plan import PRICE, budget, planned

DAY = Scope(name="window", allowed=7_200_000, settled=7_000_000, leased=0, label="day")
MONTH = Scope(name="window", allowed=150_000_000, settled=20_000_000, leased=0, currency="money", label="month")


def document_of(*tests: Any, counted: tuple[Scope, ...] = (), uncounted: tuple[Scope, ...] = ()) -> PlanDocument:
    here = Path.cwd()
    run_config = resolve(command_line={}, environment={}, ini={}, rootdir=here, current_dir=here)
    found = plan(tests, counted, uncounted=uncounted, workers=2, highest_price=PRICE)
    return plan_document(found, run_config, ["something to know"])


def lines_of(*tests: Any, most: int | None = None, **scopes: Any) -> list[str]:
    return plan_text(document_of(*tests, **scopes), width=100, color=False, most=most).splitlines()


def test_a_test_without_a_past_shows_no_median() -> None:
    row = next(line for line in lines_of(planned("t::new")) if line.startswith("t::new"))
    assert row.split() == ["t::new", "-", "60.00s", "-", "$0.1630", "its", "budget"]


def test_a_test_of_every_worker_says_how_often_it_is_run() -> None:
    assert any(line.startswith("t::a (x3) ") for line in lines_of(planned("t::a", 1000, copies=3)))


def test_the_dearest_are_shown_and_the_others_counted_in_all_sums() -> None:
    lines = lines_of(planned("t::a", 9000), planned("t::b", 1000), planned("t::c", 1000), most=1)
    assert not any("t::b" in line for line in lines)
    assert "and 2 tests more; -v shows all" in lines
    assert "likely: 11s, $0.011, the medians of 3 tests with a past" in lines
    assert "in sessions, with 2 workers: 9s of wall time, 9s at p90" in lines


def test_each_budget_has_its_line_with_what_to_do() -> None:
    lines = lines_of(planned("t::a", 300_000, budget_ms=None), counted=(budget(600_000), DAY, MONTH))
    assert "run budget of 10m: fits, with 5m to spare at p90" in lines
    assert (
        "day window of 2h, 3m20s left: can't fit: 5m is likely; raise it in dgbudget.toml, select fewer tests, or "
        "wait for the next one (UTC)"
    ) in lines
    assert "month window of $150, $130 left: fits, with $129.70 to spare at p90" in lines


def test_what_may_not_fit_and_what_is_used_up_say_so() -> None:
    assert "run budget of 30s: may not fit: 1m at p90" in lines_of(planned("t::new"), counted=(budget(30_000),))
    used_up = lines_of(planned("t::new"), counted=(budget(30_000, settled=40_000),))
    assert "run budget of 30s, 0s left: can't fit: nothing is left of it; raise it, or select fewer tests" in used_up


def test_a_path_budget_is_named_by_its_path() -> None:
    smoke = Scope(name="path", label="smoke/**", allowed=60_000, settled=0, leased=0)
    lines = lines_of(planned("t::a", 90_000, budget_ms=None, path="smoke/**"), counted=(smoke,))
    assert (
        "path budget smoke/** of 1m: can't fit: 1m30s is likely; "
        "raise it in dgbudget.toml, or select fewer of its tests"
    ) in lines


def test_a_window_that_a_run_does_not_touch_is_shown_and_decides_nothing() -> None:
    document = document_of(planned("t::a", 300_000, budget_ms=None), uncounted=(DAY,))
    assert document["fits"] == "yes"
    assert [(each["label"], each["left"], each["fits"], each["counted"]) for each in document["budgets"]] == [
        ("day", 200, "no", False)
    ]
    text = plan_text(document, width=100, color=False, most=None)
    assert "day window of 2h, 3m20s left: not touched by this run; live it would take 5m" in text
    assert "there is no run budget to hold this against" in text


def test_a_plan_of_nothing_says_so() -> None:
    lines = lines_of(counted=(budget(0),))
    assert "no test that was collected asks for a session, or ever opened one" in lines
    assert "something to know" in lines
