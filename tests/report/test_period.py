"""What all runs of a period have spent: nothing billed is added to what was not, and unknown is not zero."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from io import StringIO
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.ledger.period_sums import RunDay, TargetAndTest, TargetAndTier
from pytest_dgbudget.report.period_document import (
    PeriodDocument,
    PeriodSpending,
    RunJudgement,
    TargetFigures,
    UsedWindow,
    dearest_runs,
    period_document,
)
from pytest_dgbudget.report.period_text import period_csv, period_markdown, period_text
from pytest_dgbudget.rules.spending import Spent

SINCE = datetime(2026, 10, 1, tzinfo=timezone.utc)
BEFORE = SINCE + timedelta(days=30)
WITHIN = RunJudgement("within", "reconciled")


def spent(seconds: int = 10, **others: Any) -> Spent:
    known = Spent(sessions=1, metered=1, ms=seconds * 1000, micro_usd=seconds * 1250, vendor_micro_usd=seconds * 1250)
    return known._replace(**others)


def period(
    runs: Mapping[tuple[str, str, str], Spent] = {},
    archived: Mapping[tuple[str, str, str], Spent] = {},
    tests: Mapping[tuple[str, str], Spent] = {},
    tiers: Mapping[tuple[str, str | None], Spent] = {},
) -> PeriodSpending:
    return PeriodSpending(
        since=SINCE,
        before=BEFORE,
        runs={RunDay(*key): each for key, each in runs.items()},
        archived={RunDay(*key): each for key, each in archived.items()},
        tests={TargetAndTest(*key): each for key, each in tests.items()},
        tiers={TargetAndTier(*key): each for key, each in tiers.items()},
    )


NOTHING = period()
DAYS = st.sampled_from(["2026-10-01", "2026-10-02"])
TARGETS = st.sampled_from(["live", "emulator", "rehearsal"])
SPENT = st.builds(Spent, **dict.fromkeys(Spent._fields, st.integers(0, 10**6)))
RUNS = st.dictionaries(st.tuples(TARGETS, st.sampled_from("abc"), DAYS), SPENT, max_size=5)
TESTS = st.dictionaries(st.tuples(TARGETS, st.text(max_size=5)), SPENT, max_size=4)
TIERS = st.dictionaries(st.tuples(TARGETS, st.none() | st.just("standard")), SPENT, max_size=3)
PERIODS = st.builds(period, RUNS, RUNS, TESTS, TIERS)


def reported(now: PeriodSpending, before: PeriodSpending = NOTHING, most: int = 20) -> PeriodDocument:
    judgements = dict.fromkeys(dearest_runs(now, most), WITHIN)
    return period_document(now, before._replace(since=SINCE - timedelta(days=30)), judgements, [], most=most)


def only(document: PeriodDocument) -> TargetFigures:
    (target,) = document["targets"]
    return target


def lines(document: PeriodDocument) -> list[str]:
    return list(period_text(document, width=80, color=False))


@given(PERIODS, PERIODS)
def test_every_period_can_be_shown_and_no_target_has_what_another_spent(
    now: PeriodSpending, before: PeriodSpending
) -> None:
    document = reported(now, before)
    for target in document["targets"]:
        own = [each for key, each in (*now.runs.items(), *now.archived.items()) if key.target == target["target"]]
        assert round(target["spending"]["seconds"] * 1000) == sum(each.ms for each in own)
        assert round(sum(day["seconds"] for day in target["days"]) * 1000) == sum(each.ms for each in own)
        previous = target["previous"]
        before_own = [
            each.ms for key, each in (*before.runs.items(), *before.archived.items()) if key[0] == target["target"]
        ]
        assert round(previous["delta_seconds"] * 1000) == sum(each.ms for each in own) - sum(before_own)
    assert json.loads(json.dumps(document)) == document
    assert all(line.isprintable() for line in lines(document))
    rows = list(csv.reader(StringIO(period_csv(document), newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert period_markdown(document)


def test_what_is_billed_comes_first_and_the_rest_is_labelled() -> None:
    runs = {(target, "run", "2026-10-02"): spent() for target in ("emulator", "rehearsal", "live")}
    document = reported(period(runs))
    assert [(each["target"], each["billed"]) for each in document["targets"]] == [
        ("live", True),
        ("emulator", False),
        ("rehearsal", False),
    ]
    said = lines(document)
    assert "live (billed): $0.0125, 10s in 1 session of 1 run" in said
    assert "emulator (not billed: what it would be live): $0.0125, 10s in 1 session of 1 run" in said


def test_the_dearest_are_listed_with_their_share_and_the_rest_is_counted() -> None:
    tests = {("live", f"test_{number}"): spent(number) for number in range(1, 5)}
    runs = {("live", f"run-{number}", "2026-10-02"): spent(number) for number in range(1, 5)}
    target = only(reported(period(runs, tests=tests), most=2))
    assert [(each["nodeid"], each["share"]) for each in target["tests"]] == [("test_4", 0.4), ("test_3", 0.3)]
    assert [(each["id"], each["share"], each["verdict"]) for each in target["runs"]] == [
        ("run-4", 0.4, "within"),
        ("run-3", 0.3, "within"),
    ]
    assert (target["tests_in_all"], target["runs_in_all"]) == (4, 4)
    said = lines(reported(period(runs, tests=tests), most=2))
    assert {"dearest tests (2 of 4)", "dearest runs (2 of 4)"} <= {*said}


def test_why_it_is_more_than_in_the_period_before() -> None:
    runs, tests = {("live", "run", "2026-10-02"): spent(30)}, {("live", "a"): spent(10), ("live", "new"): spent(20)}
    before = period({("live", "earlier", "2026-09-02"): spent(10)}, tests={("live", "a"): spent(10)})
    previous = only(reported(period(runs, tests=tests), before))["previous"]
    assert (previous["delta_usd"], previous["change"], previous["runs"]) == (0.025, 2.0, 1)
    assert [(each["reason"], each["usd"], each["mostly"]) for each in previous["reasons"]] == [
        ("new-tests", 0.025, "new")
    ]
    said = lines(reported(period(runs, tests=tests), before))
    assert "  +$0.0250 (+200%) against $0.0125, 10s in the period before it, of which:" in said
    assert said[said.index("    +$0.0250: 1 new test") + 1] == "      that is new"


def test_without_a_period_before_it_that_is_said() -> None:
    said = lines(reported(period({("live", "run", "2026-10-02"): spent()})))
    assert "  the period before it, from 2026-09-01 on, has nothing in the ledger" in said


def test_a_cost_that_is_not_known_is_at_least_what_is() -> None:
    runs = {("live", "run", "2026-10-02"): spent(10, unpriced=1)}
    target = only(reported(period(runs)))
    assert (target["spending"]["cost_usd"], target["spending"]["known_usd"]) == (None, 0.0125)
    assert "live (billed): ≥ $0.0125, 10s in 1 session of 1 run" in lines(reported(period(runs)))
    nothing_known = period({("live", "run", "2026-10-02"): spent(10, unpriced=1, micro_usd=0)})
    assert "live (billed): -, 10s in 1 session of 1 run" in lines(reported(nothing_known))


def test_where_a_part_of_the_cost_is_not_known_it_is_said_that_time_is_compared() -> None:
    before = period({("live", "earlier", "2026-09-02"): spent(5)})
    said = lines(reported(period({("live", "run", "2026-10-02"): spent(10, unpriced=1)}), before))
    first = said.index("  a part of the cost is not known, so it is time that is compared")
    assert said[first + 1].startswith("  +5.00s (+100%) against $0.0063, 5s in the period before it")
    priced = lines(reported(period({("live", "run", "2026-10-02"): spent(10)}), before))
    assert not any("it is time that is compared" in line for line in priced)


def test_estimates_are_marked_and_so_is_what_is_at_risk() -> None:
    key = ("live", "run", "2026-10-02")
    for spending in (spent(10, estimated=1), spent(10, unseen_ms=2000, unseen_micro_usd=2500)):
        document = reported(period({key: spending}))
        assert only(document)["spending"]["estimated"]
        said = lines(document)
        assert "live (billed): ~$0.0125, 10s in 1 session of 1 run" in said
        assert said[-1] == "~ is an estimate, the highest that it may be"
    assert "  2s of it is at risk (charged but not metered)" in said
    assert not any("~" in line for line in lines(reported(period({key: spent()}))))


def test_what_is_archived_is_in_the_totals_and_is_said() -> None:
    document = reported(period({("live", "a", "2026-10-02"): spent()}, {("live", "old", "2026-10-01"): spent(30)}))
    target = only(document)
    assert (target["spending"]["seconds"], target["archived_runs"], target["runs_in_all"]) == (40.0, 1, 2)
    assert [(each["id"], each["archived"], each["verdict"]) for each in target["runs"]] == [
        ("old", True, None),
        ("a", False, "within"),
    ]
    assert "  $0.0375, 30s of it, in 1 session of 1 run, is archived: its tests and tiers are not listed" in lines(
        document
    )
    assert dearest_runs(period({}, {("live", "old", "2026-10-01"): spent()}), 5) == [], "nobody can judge it"


def test_the_vendors_sum_is_shown_where_the_statement_has_all() -> None:
    assert "  by the vendor's statement: $0.0125" in lines(reported(period({("live", "a", "2026-10-02"): spent()})))
    lacking = period({("live", "a", "2026-10-02"): spent(), ("live", "b", "2026-10-02"): spent(unstated=1)})
    assert not any("statement" in line for line in lines(reported(lacking)))


def test_windows_are_shown_as_they_are_today() -> None:
    windows = [UsedWindow("day", "time", 1_800_000, 7_200_000), UsedWindow("month", "money", 84_200_000, 150_000_000)]
    said = list(period_text(period_document(NOTHING, NOTHING, {}, windows, most=1), width=80, color=False))
    assert "window of a day: 30m of 2h is used today (25%)" in said
    assert "window of a month: $84.2000 of $150.0000 is used this month (56%)" in said
    assert "no run of the ledger has opened a session in this period, nor in the one before it" in said


def test_a_days_bar_is_as_long_as_its_cost() -> None:
    runs = {("live", "a", f"2026-10-0{day}"): spent(10 * day) for day in (1, 2, 4)}
    bars = [line.rsplit(" ", 1)[-1].count("#") for line in lines(reported(period(runs))) if line.startswith("2026-10")]
    assert bars == [5, 10, 20]


def test_what_a_terminal_shows_fits_80_columns() -> None:
    tests = {("live", f"tests/deep/test_{n}.py::test_{'x' * 90}"): spent(unseen_ms=1) for n in range(3)}
    runs = {("live", f"{n}-{'y' * 20}", "2026-10-02"): spent(n + 1, unstated=1) for n in range(3)}
    said = lines(reported(period(runs, tests=tests, tiers={("live", None): spent()}), period(runs)))
    assert max(len(line) for line in said) <= 80
