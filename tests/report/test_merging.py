"""Reports of runs that share no ledger, merged into one: no order, no copy and no unknown figure makes it wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_dgbudget.report
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.report.document import MergedDocument, RunFigures, UsageDocument
from pytest_dgbudget.report.merging import RULES, merge
from pytest_dgbudget.report.reconciliation_figures import NOT_RECONCILED, ReconciliationFigures, TotalFigures
from tests.support import facts
from tests.support.shards import changed, earlier_reports, line, rate, reconciliation, report, shards, totals

SCHEMA_FILE = Path(pytest_dgbudget.report.__path__[0]) / "usage.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def merged(*documents: UsageDocument) -> MergedDocument:
    made = merge([(f"{number}.json", document) for number, document in enumerate(documents)])
    VALIDATOR.validate(made)
    return made


def run_of(*documents: UsageDocument) -> RunFigures:
    return merged(*documents)["run"]


def compared(*reconciliations: dict[str, Any]) -> ReconciliationFigures:
    """Return what the reconciliations of so many runs, each with a session, come to."""
    return merged(*(report(f"run-{n}", f"s{n}", reconciliation=each) for n, each in enumerate(reconciliations)))[
        "reconciliation"
    ]


# Properties -----------------------------------------------------------------------------------------------------------


@given(shards(), st.randoms(use_true_random=False))
def test_the_order_of_the_files_makes_no_difference(documents: list[UsageDocument], random: Any) -> None:
    shuffled = [*documents]
    random.shuffle(shuffled)
    assert merged(*shuffled) == merged(*documents)


@given(st.data())
def test_what_is_there_twice_counts_once(data: st.DataObject) -> None:
    """A copy, a report of the run before it went on, and a merged report are nothing new."""
    documents = data.draw(shards())
    once = merged(*documents)
    earlier = [data.draw(earlier_reports(document)) for document in documents]
    copies = data.draw(st.permutations([*documents, *documents, *earlier, cast(UsageDocument, once)]))
    assert merged(*copies) == once


@given(shards(), st.data())
def test_parts_may_be_merged_first(documents: list[UsageDocument], data: st.DataObject) -> None:
    middle = data.draw(st.integers(0, len(documents)))
    parts = [part for part in (documents[:middle], documents[middle:]) if part]
    assert merged(*(cast(UsageDocument, merged(*part)) for part in parts)) == merged(*documents)


ADDED = (
    "budget_seconds",
    "used_seconds",
    "sessions",
    "cost_usd",
    "at_risk_seconds",
    "at_risk_usd",
    "overshoot_seconds",
)


@given(shards())
def test_i7_a_sum_is_that_of_all_runs_and_unknown_where_a_part_is(documents: list[UsageDocument]) -> None:
    made = run_of(*documents)
    for name in ADDED:
        parts = [cast(dict[str, Any], document["run"])[name] for document in documents]
        if None in parts:
            assert made[name] is None, name  # type: ignore[literal-required]
        else:
            assert made[name] == pytest.approx(sum(parts)), name  # type: ignore[literal-required]


@given(shards())
def test_nothing_that_a_run_reports_is_lost_or_doubled(documents: list[UsageDocument]) -> None:
    made = merged(*documents)
    ids = [session["id"] for session in made["sessions"]]
    assert sorted(ids) == sorted(session["id"] for document in documents for session in document["sessions"])
    assert len(made["tests"]) == sum(len(document["tests"]) for document in documents)
    for shown in (*made["tests"], *made["sessions"]):
        shard = made["shards"][shown["shard"]]["run"]
        (whole,) = [each for each in documents if each["run"]["started_at"] == shard["started_at"]]
        own = {name: value for name, value in shown.items() if name != "shard"}
        assert own in whole["tests"] or own in whole["sessions"]


@given(shards())
def test_the_worst_of_the_runs_is_that_of_all(documents: list[UsageDocument]) -> None:
    made, runs = run_of(*documents), [document["run"] for document in documents]
    for name, worst_first in (
        ("verdict", ["overrun", "interrupted", "within"]),
        ("bypass", ["seen", "possible", "unknown", "refused"]),
        ("failing", [True, False]),
        ("complete", [False, True]),
    ):
        parts = [cast(dict[str, Any], run)[name] for run in runs]
        assert made[name] == min(parts, key=worst_first.index), name  # type: ignore[literal-required]


# Each figure has a rule -----------------------------------------------------------------------------------------------


def test_each_figure_of_a_run_has_a_rule() -> None:
    """Add the rule of a new one to RULES: what it comes to over several runs is not to be guessed."""
    assert RULES.keys() == RunFigures.__annotations__.keys()


def test_each_figure_of_a_reconciliation_is_merged() -> None:
    made = compared(reconciliation(line("a")), reconciliation(line("b")))
    assert made.keys() == ReconciliationFigures.__annotations__.keys()
    assert made["totals"] is not None
    assert made["totals"].keys() == TotalFigures.__annotations__.keys()


def test_a_figure_of_a_later_version_is_said_not_to_be_merged_and_is_in_its_shard() -> None:
    made = merged(report("a", "s"), changed(report("b", "t"), "run", saved_moons=3))
    assert "saved_moons" not in made["run"]
    assert [shard["run"].get("saved_moons") for shard in made["shards"]] == [None, 3]
    assert made["notices"] == ["this version can't merge run.saved_moons: see the shards"]


# The run --------------------------------------------------------------------------------------------------------------


def test_two_runs_are_one() -> None:
    made = run_of(report("b", "s", "t"), report("a", "u"))
    assert (made["id"], made["target"], made["billed"]) == ("a+b", "live", True)
    assert (made["started_at"], made["finished_at"]) == ("2026-11-02T10:00:00.097Z", facts.LATER)
    assert (made["budget_seconds"], made["used_seconds"], made["sessions"]) == (120.0, 9.0, 3)
    assert (made["cost_usd"], made["verdict"], made["failing"], made["complete"]) == (0.0114, "within", False, True)


def test_sums_are_exact() -> None:
    tenths = [changed(report(name, name), "run", used_seconds=0.1, cost_usd=0.1) for name in "abc"]
    made = run_of(*tenths)
    assert (made["used_seconds"], made["cost_usd"]) == (0.3, 0.3)


def test_one_that_did_not_end_leaves_the_end_of_all_unknown() -> None:
    lost = report("b", "t", invocations=(facts.invocation(finished_at=None, exit_status=None),))
    made = run_of(report("a", "s"), lost)
    assert (made["finished_at"], made["complete"], made["verdict"]) == (None, False, "interrupted")


def test_a_run_without_a_session_leaves_the_forecast_of_others_known() -> None:
    emulated = {"target": "emulator", "billed": False}
    talked = changed(report("a", "s", **emulated), "run", forecast_seconds=7.5, forecast_usd=0.009)
    idle = report("b", **emulated)
    assert idle["run"]["forecast_seconds"] is None
    made = run_of(talked, idle)
    assert (made["forecast_seconds"], made["forecast_usd"]) == (7.5, 0.009)
    assert run_of(idle, report("c", **emulated))["forecast_seconds"] is None
    unknown = changed(report("d", "t", **emulated), "run", forecast_seconds=None)
    assert run_of(talked, unknown)["forecast_seconds"] is None


def test_prices_of_different_days_are_said() -> None:
    made = merged(
        changed(report("a", "s"), "run", prices_as_of="2026-06-25"),
        changed(report("b", "t"), "run", prices_as_of="2026-11-01"),
    )
    assert made["run"]["prices_as_of"] is None
    assert made["notices"] == ["the shards' prices are of different days: 2026-06-25, 2026-11-01"]


def test_a_run_that_dialled_nothing_has_no_prices() -> None:
    idle = report("b", invocations=(facts.invocation(prices_as_of=None),))
    made = merged(changed(report("a", "s"), "run", prices_as_of="2026-06-25"), idle)
    assert (made["run"]["prices_as_of"], made["notices"]) == ("2026-06-25", [])


def test_keys_are_those_of_all_runs() -> None:
    first = report("a", "s", run_keys=(facts.run_key("k"),))
    other = report("b", "t", run_keys=(facts.run_key("deleted"),))
    assert [key["id"] for key in run_of(first, other)["keys"]] == ["k", "deleted"]


def test_what_some_of_them_say_names_their_run() -> None:
    first, second = report("a", "s"), report("b", "t")
    first["notices"], second["notices"] = ["both", "one"], ["both"]
    assert merged(first, second)["notices"] == ["both", "one (run a)"]


def test_how_a_run_has_regressed_is_said_of_all_also_when_they_are_merged_again() -> None:
    first: Any = report("a", "s")
    first["regression"] = {
        "verdict": "regression",
        "runs": 5,
        "tests": 3,
        "spend": None,
        "latency": None,
        "contributors": [],
        "sentences": ["it is dearer"],
    }
    usual: Any = report("b", "t")
    usual["regression"] = {**first["regression"], "verdict": "none", "sentences": ["as usual"]}
    once = merged(first, usual)
    assert once["regression"] is None
    assert once["notices"] == merged(once, first)["notices"] == ["regression: it is dearer (run a)"]


@pytest.mark.parametrize("other", [{"target": "emulator", "billed": False}, {"target": "rehearsal", "billed": False}])
def test_i11_what_was_billed_is_not_added_to_what_was_not(other: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=rf"0.json .* live \(billed\), 1.json .*{other['target']} \(not billed\)"):
        merged(report("a", "s"), report("b", "t", **other))


# Which reports are of one run -----------------------------------------------------------------------------------------


def used(*documents: UsageDocument) -> float:
    return run_of(*documents)["used_seconds"]


def test_runs_of_one_id_with_other_sessions_are_several() -> None:
    assert used(report("a", "s"), report("a", "t")) == 6.0


def test_of_the_reports_of_one_run_the_one_with_all_sessions_counts() -> None:
    """As where two jobs, one after the other, share a run id and a ledger."""
    made = merged(report("a", "s", "t"), report("a", "s"))
    assert (made["run"]["used_seconds"], made["run"]["budget_seconds"], len(made["shards"])) == (6.0, 60.0, 1)


@pytest.mark.parametrize("later_first", [True, False])
def test_of_two_with_the_same_sessions_the_one_whose_statement_was_read_counts(later_first: bool) -> None:
    pending = report("a", "s", reconciliation=reconciliation(line("s"), verdict="pending", checked_at=facts.AT))
    read = report("a", "s", reconciliation=reconciliation(line("s"), checked_at=facts.LATER))
    made = merged(*((read, pending) if later_first else (pending, read)))
    assert (made["reconciliation"]["verdict"], len(made["reconciliation"]["lines"])) == ("reconciled", 1)


STILL_RUNNING = facts.invocation(id="j", finished_at=None, exit_status=None)
OPEN: dict[str, Any] = dict.fromkeys(("closed_at", "ms", "closed_by", "close_code", "usage"))


@pytest.mark.parametrize(
    "by_then",
    [
        {"sessions": (facts.session(id="s", lease="s", attempt="s", **OPEN),)},
        {"attempts": (facts.attempt(id="s", outcome=None, refused=1, refused_untolerated=1),)},
        {"invocations": (facts.invocation(started_at=report("a")["run"]["started_at"]), STILL_RUNNING)},
    ],
    ids=["a session", "a test", "the run"],
)
def test_of_jobs_that_share_a_ledger_the_one_that_ended_last_counts(by_then: dict[str, Any]) -> None:
    """When another one wrote its report, something was not over yet."""
    last = report("a", "s")
    other = changed(report("a", "s", **by_then), "run", finished_at="2026-11-03T00:00:00.000Z", budget_seconds=1.0)
    if "invocations" in by_then:
        other["run"]["finished_at"] = None
    made = run_of(other, last)
    assert (made["failing"], made["complete"], made["budget_seconds"]) == (False, True, 60.0)


def test_of_copies_in_two_places_the_same_counts_in_any_order() -> None:
    here, there = report("a", "s"), report("a", "s")
    here["tests"][0]["artifacts"], there["tests"][0]["artifacts"] = ["here/t"], ["there/t"]
    assert merged(here, there) == merged(there, here)


def test_runs_without_a_session_are_told_by_id_and_start() -> None:
    assert run_of(report("a"), report("a"))["budget_seconds"] == 60.0
    assert run_of(report("a"), report("b"))["budget_seconds"] == 120.0
    assert run_of(report("a"), report("a", "s"))["budget_seconds"] == 60.0, "it went on"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_reports_that_contradict_each_other_are_refused(order: Sequence[int]) -> None:
    contradicting = (report("a", "s", "t"), report("a", "t", "u"))
    with pytest.raises(SettingsError, match=r"[01].json and [01].json share sessions, and each has some"):
        merged(*(contradicting[number] for number in order))


# Reconciliation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["reconciled", "reconciled"], "reconciled"),
        (["reconciled", "discrepancy", "pending"], "discrepancy"),
        (["inconclusive", "pending"], "pending"),
        (["off", "off"], "off"),
        (["off", "reconciled"], "inconclusive"),
        (["off", "discrepancy"], "discrepancy"),
    ],
)
def test_the_gravest_verdict_is_that_of_all(verdicts: list[str], whole: str) -> None:
    made = compared(*(reconciliation(line(str(n)), verdict=each) for n, each in enumerate(verdicts)))
    assert made["verdict"] == whole


def test_a_run_that_was_not_compared_is_named() -> None:
    made = compared(reconciliation(line("a")), cast(dict[str, Any], NOT_RECONCILED))
    assert "the sessions of run run-1 were not compared (--dg-reconcile)" in made["reasons"]


def test_a_run_without_a_session_says_nothing_of_others() -> None:
    nothing = reconciliation(reasons=["no session was opened, so there is nothing to compare"], totals=None)
    idle = report("idle", reconciliation=nothing)
    made = merged(report("a", "s", reconciliation=reconciliation(line("s"))), idle)["reconciliation"]
    assert (made["verdict"], made["reasons"], len(made["lines"])) == ("reconciled", [], 1)
    assert made["totals"] is not None
    assert merged(idle)["reconciliation"]["reasons"] == nothing["reasons"]


def test_a_run_without_a_session_whose_end_is_unclear_counts() -> None:
    lost = report("b", reconciliation=reconciliation(verdict="inconclusive", reasons=["the gateway died"]))
    made = merged(report("a", "s", reconciliation=reconciliation(line("s"))), lost)["reconciliation"]
    assert (made["verdict"], made["reasons"]) == ("inconclusive", ["the gateway died (run b)"])


def test_hours_and_dollars_of_different_tags_add_up() -> None:
    made = compared(reconciliation(line("a")), reconciliation(line("b")))["totals"]
    assert made is not None
    assert (made["hours"]["local_seconds"], made["hours"]["vendor_seconds"]) == (6.0, 6.0)
    assert (made["dollars"]["local_usd"], made["dollars"]["vendor_usd"]) == (0.0075, 0.0075)
    assert (made["hours"]["verdict"], made["dollars"]["verdict"]) == ("reconciled", "reconciled")


def test_i7_a_total_with_an_unknown_part_is_unknown() -> None:
    late = {"verdict": "inconclusive", "local_seconds": 3.0, "vendor_seconds": None, "reason": "it was not read"}
    made = compared(reconciliation(line("a")), reconciliation(line("b"), totals=totals(hours=late)))["totals"]
    assert made is not None
    assert (made["hours"]["local_seconds"], made["hours"]["vendor_seconds"]) == (6.0, None)
    assert (made["hours"]["verdict"], made["hours"]["reason"]) == ("inconclusive", "it was not read")


def test_what_is_under_one_tag_is_not_added_up() -> None:
    """The statement has the sessions of both in the hours of each."""
    foreign = {"class": "missing-in-ledger", "nodeid": None, "attempt": None, "local_seconds": None}
    made = merged(
        report("a", "s", reconciliation=reconciliation(line("s"), line("t", **foreign), verdict="discrepancy")),
        report("a", "t", reconciliation=reconciliation(line("t"), line("s", **foreign), verdict="discrepancy")),
    )["reconciliation"]
    assert (made["totals"], made["verdict"], len(made["lines"])) == (None, "discrepancy", 4)
    assert made["reasons"][0].startswith("hours and dollars were compared run by run, and can't be added up")
    assert made["remarks"][0].startswith("2 requests that are missing in the ledger of one of these runs")


def test_totals_by_a_tag_and_by_keys_are_not_added_up() -> None:
    by_key = totals(by="key")
    assert compared(reconciliation(line("a")), reconciliation(line("b"), totals=by_key))["totals"] is None
    both = compared(reconciliation(line("a"), totals=by_key), reconciliation(line("b"), totals=by_key))["totals"]
    assert both is not None
    assert both["by"] == "key"


def test_a_row_that_two_runs_have_found_is_one_and_sessions_without_an_id_are_several() -> None:
    foreign = line("theirs", **{"class": "missing-in-ledger"}, local_seconds=None, nodeid=None, attempt=None)
    nameless = line(None, **{"class": "unconfirmed"})
    made = compared(reconciliation(foreign, nameless), reconciliation(foreign, nameless))
    assert [each["request_id"] for each in made["lines"]] == ["theirs", None, None]


def test_a_drift_is_judged_run_by_run() -> None:
    drift: dict[str, Any] = {
        "verdict": "discrepancy",
        "reason": None,
        "n": 20,
        "seconds": 30.0,
        "direction": "more",
        "mean_seconds": 1.5,
        "interval_seconds": [1.4, 1.6],
    }
    few = {**dict.fromkeys(drift), "reason": "too-few-sessions", "n": 3}
    made = compared(
        reconciliation(line("a"), totals=totals(drift=drift)), reconciliation(line("b"), totals=totals(drift=few))
    )["totals"]
    assert made is not None
    assert made["drift"] == {
        **dict.fromkeys(drift),
        "verdict": "discrepancy",
        "reason": "compared run by run, see the shards",
        "n": 23,
    }
    alone = compared(reconciliation(line("a"), totals=totals(drift=drift)), reconciliation(line("b")))["totals"]
    assert alone is not None
    assert alone["drift"] == drift


def test_a_price_is_weighted_by_time() -> None:
    cheap, dear = rate(seconds=180.0, vendor_usd_per_minute=0.07), rate(vendor_usd_per_minute=0.09, wrong=True)
    made = compared(
        reconciliation(line("a"), totals=totals(rates=[cheap])),
        reconciliation(line("b"), totals=totals(rates=[dear, rate(tier="advanced")])),
    )["totals"]
    assert made is not None
    of_standard, of_advanced = made["rates"]
    assert (of_standard["sessions"], of_standard["seconds"]) == (10, 240.0)
    assert (of_standard["vendor_usd_per_minute"], of_standard["wrong"]) == (0.075, True)
    assert of_advanced == rate(tier="advanced")


def test_the_statement_took_as_long_as_the_slowest_run_s() -> None:
    slow, quick = ({"pending_seconds": n, "settled_seconds": 2 * n} for n in (4.0, 1.0))
    assert compared(reconciliation(line("a"), lag=slow), reconciliation(line("b"), lag=quick))["lag"] == slow
    unknown = compared(reconciliation(line("a"), lag=slow), reconciliation(line("b")))["lag"]
    assert unknown == {"pending_seconds": 4.0, "settled_seconds": None}


def test_what_differs_between_runs_is_null() -> None:
    other = reconciliation(line("b"), project="q", tolerance={"seconds": 1.0, "share": 0.0})
    made = compared(reconciliation(line("a")), other)
    assert (made["project"], made["tolerance"]) == (None, None)


def test_warnings_are_those_of_all_runs_each_once_with_whose_it_is() -> None:
    nearly = {"kind": "run-budget", "text": "85% of the run budget of 10s is used: 8.5s"}
    old = {"kind": "prices", "text": "the prices are 200 days old"}
    one, two, before = (report(f"run-{n}", f"s{n}") for n in range(3))
    one["warnings"], two["warnings"] = cast(Any, [nearly, old]), cast(Any, [old])
    del cast(dict[str, Any], before)["warnings"]
    made = merged(one, two, before)
    assert made["warnings"] == [
        {**old, "text": "the prices are 200 days old (run run-0, run-1)"},
        {**nearly, "text": "85% of the run budget of 10s is used: 8.5s (run run-0)"},
    ]
    assert [shard["warnings"] for shard in made["shards"]] == [[nearly, old], [old], []]
