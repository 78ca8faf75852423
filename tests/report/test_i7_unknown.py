"""I7: unknown is never zero, in what the report says of a run and in what a run is charged."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.reconcile.task import stated_leases
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.reconciliation_figures import ReconciliationFigures, reconciliation_figures
from pytest_dgbudget.rules.comparison import Line, OwnSession, VendorRow
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.totals import Total
from pytest_dgbudget.rules.verdicts import Tolerance
from pytest_dgbudget.units import seconds
from tests.support.facts import lease, run, runs, session

MAYBE_MS = st.none() | st.just(0) | st.integers(0, 100_000)


def same(shown: float | None, known_ms: int | None) -> bool:
    """Tell whether a figure is shown as it is known: unknown as null, a zero that was measured as 0."""
    return shown is None if known_ms is None else shown == seconds(known_ms)


@given(runs())
def test_i7_unknown_is_never_zero_in_usage_json(facts: RunFacts) -> None:
    document = json.loads(json.dumps(usage_document(facts), allow_nan=False))
    for shown, known in zip(document["sessions"], facts.sessions, strict=True):
        for name, ms in (
            ("seconds", known.ms),
            ("handshake_seconds", known.handshake_ms),
            ("closing_seconds", known.closing_ms),
            ("audio_in_seconds", known.audio_in_ms),
            ("audio_out_seconds", known.audio_out_ms),
        ):
            assert same(shown[name], ms)
        for name in ("request_id", "closed_at", "closed_by", "close_code", "tier", "greeting_ms"):
            assert shown[name] == getattr(known, name)
        assert shown["confirmed"] == (known.confirmed == 1)
        assert (shown["vendor_latency"] is None) == (known.vendor_reports is None)
        for name in ("turns", "marked_turns", "function_max_ms"):
            assert (shown[name] is None) == (known.ms is None)
    for test, attempt in zip(document["tests"], facts.attempts, strict=True):
        assert same(test["budget_seconds"], attempt.left_ms)
        assert test["outcome"] == attempt.outcome
    assert same(document["run"]["budget_seconds"], facts.invocations[-1].budget_ms)


def same_cost(shown: float | None, micro_usd: list[int | None]) -> bool:
    """Tell whether a cost is the sum of these; null where one of them is not known."""
    return shown is None if None in micro_usd else shown == sum(part or 0 for part in micro_usd) / 1_000_000


@given(runs())
def test_i7_a_cost_is_null_where_the_price_of_a_part_is_not_known(facts: RunFacts) -> None:
    document = usage_document(facts)
    for shown, session_facts in zip(document["sessions"], facts.sessions, strict=True):
        assert same_cost(shown["cost_usd"], [session_facts.micro_usd])
    for test, attempt in zip(document["tests"], facts.attempts, strict=True):
        of_test = [each.charged_micro_usd for each in facts.leases if each.attempt == attempt.id]
        assert same_cost(test["cost_usd"], of_test)
    of_run = [each.charged_micro_usd for each in facts.of_own_target().leases]
    assert same_cost(document["run"]["cost_usd"], of_run)


@given(st.integers(1, 100_000), MAYBE_MS, MAYBE_MS, MAYBE_MS)
def test_i7_a_lease_of_which_nothing_is_known_costs_all_that_was_set_aside(
    allowance_ms: int, micro_usd: int | None, ended: int | None, stated_ms: int | None
) -> None:
    still_open = lease(allowance_ms=allowance_ms, how=None, ended_ms=None, micro_usd=micro_usd, ended_micro_usd=None)
    assert still_open.charged_micro_usd == micro_usd
    lost = lease(allowance_ms=allowance_ms, how="orphaned", micro_usd=micro_usd, ended_micro_usd=ended)
    assert lost.charged_micro_usd == ended
    stated = lost._replace(stated_ms=stated_ms)
    if stated_ms is not None and micro_usd is not None:
        assert stated.charged_micro_usd == ceil(Fraction(micro_usd * stated_ms, allowance_ms))


@given(runs())
def test_i7_a_run_of_which_somebody_never_said_that_it_finished_is_not_within(facts: RunFacts) -> None:
    figures = usage_document(facts)["run"]
    over = [each for each in facts.invocations if each.finished_at or not each.is_under_way]
    if not over:
        assert (figures["complete"], figures["under_way"]) == (False, len(facts.invocations)), "within is so far"
    elif None in [invocation.exit_status for invocation in over]:
        assert figures["verdict"] != "within"
        assert figures["complete"] is False
    if None in [invocation.finished_at for invocation in facts.invocations]:
        assert figures["finished_at"] is None


@given(st.integers(1, 100_000), MAYBE_MS, MAYBE_MS)
def test_i7_a_lease_of_which_nothing_is_known_is_charged_in_full(
    allowance_ms: int, ended_ms: int | None, stated_ms: int | None
) -> None:
    how = None if ended_ms is None else "orphaned"
    facts = lease(allowance_ms=allowance_ms, how=how, ended_ms=ended_ms, stated_ms=stated_ms)
    known = [ms for ms in (stated_ms, ended_ms) if ms is not None]
    assert facts.charged_ms == (known[0] if known else allowance_ms)


@pytest.mark.parametrize("how", [None, "orphaned"])
def test_i7_what_is_charged_and_was_not_seen_is_at_risk(how: str | None) -> None:
    facts = lease(allowance_ms=10_000, how=how, ended_ms=how and 10_000)
    figures = usage_document(run(leases=(facts,), sessions=(session(ms=None, closed_by=None, confirmed=None),)))["run"]
    assert (figures["used_seconds"], figures["at_risk_seconds"]) == (10.0, 10.0)


SESSIONS = st.lists(st.tuples(MAYBE_MS, MAYBE_MS), min_size=1, max_size=4)


@given(SESSIONS, st.sampled_from([None, "settled", "orphaned"]))
def test_i7_a_lease_is_charged_less_only_when_each_of_its_sessions_is_known(
    known: list[tuple[int | None, int | None]], how: str | None
) -> None:
    """Of each session: what was metered here, and what the statement has."""
    sessions = tuple(session(id=f"s{number}", ms=ms) for number, (ms, _) in enumerate(known))
    stated = {f"s{number}": ms for number, (_, ms) in enumerate(known) if ms is not None}
    found = stated_leases(run(leases=(lease(how=how),), sessions=sessions), stated)
    figures = [metered if by_vendor is None else by_vendor for metered, by_vendor in known]
    assert found == ({"l": sum(filter(None, figures))} if how == "orphaned" and None not in figures else {})


OWN = st.builds(
    OwnSession, id=st.just("s"), request_id=st.none(), ms=MAYBE_MS, ended_at_ms=st.none(), tagged=st.booleans()
)
ROWS = st.builds(
    VendorRow,
    request_id=st.just("r"),
    duration_ms=MAYBE_MS,
    elapsed_ms=MAYBE_MS,
    micro_usd=MAYBE_MS,
    settled=st.booleans(),
)
LINES = st.lists(
    st.builds(
        Line,
        kind=st.sampled_from(["matched", "pending", "unconfirmed", "missing-in-ledger"]),
        request_id=st.none() | st.text(max_size=5),
        own=st.lists(OWN, max_size=2).map(tuple),
        rows=st.lists(ROWS, max_size=2).map(tuple),
    ),
    max_size=4,
)
TOTALS = st.builds(Total, verdict=st.just("off"), own=MAYBE_MS, vendor=MAYBE_MS)


@given(LINES, TOTALS, TOTALS)
def test_i7_unknown_is_never_zero_in_a_reconciliation(lines: list[Line], hours: Total, dollars: Total) -> None:
    shown = reconciled(lines=tuple(lines), hours=hours, dollars=dollars)
    for figures, line in zip(shown["lines"], lines, strict=True):
        assert same(figures["local_seconds"], line.own_ms)
        assert same(figures["vendor_seconds"], line.vendor_ms)
        assert same(figures["elapsed_seconds"], line.elapsed_ms)
        assert same(figures["delta_seconds"], line.delta_ms)
        assert (figures["vendor_usd"] is None) == (line.micro_usd is None)
    totals = shown["totals"]
    assert totals is not None
    assert same(totals["hours"]["local_seconds"], hours.own)
    assert same(totals["hours"]["vendor_seconds"], hours.vendor)
    assert (totals["dollars"]["local_usd"] is None) == (dollars.own is None)
    assert (totals["dollars"]["vendor_usd"] is None) == (dollars.vendor is None)


def reconciled(**fields: Any) -> ReconciliationFigures:
    """Return a reconciliation of no run in particular as usage.json has it."""
    tolerance = Tolerance(ms=2000, share=0.05)
    return reconciliation_figures(Reconciliation(verdict="off", tolerance=tolerance, **fields), run())
