"""A period's audit: what is judged, what is left out and why, and what is somebody else's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.audit import audit, everybodys
from pytest_dgbudget.rules.audit_facts import (
    Amount,
    AuditedLedger,
    AuditedPeriod,
    AuditFindings,
    EstimateError,
    PeriodStatement,
    UnseenUse,
)
from pytest_dgbudget.rules.audit_reading import lacking_ids, needs_hours, was_open_at
from pytest_dgbudget.rules.audit_verdict import AuditVerdict, judge_audit, risk_of
from pytest_dgbudget.rules.comparison import OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.statement import ReadFailure, Reading
from tests.rules.reconciliation import NOW_MS, TERMS, row, session

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SINCE_MS = NOW_MS - 7 * DAY_MS
PERIOD = AuditedPeriod(since_ms=SINCE_MS, kept_since_ms=SINCE_MS)
RUNS = {"dgbudget-run": "run", "dgbudget-other": "other"}


def old(**fields: Any) -> OwnSession:
    """A session of the period that the statement should have by now."""
    known = {"run": "run", "opened_at_ms": NOW_MS - 2 * HOUR_MS, "ended_at_ms": NOW_MS - HOUR_MS}
    return session(**{**known, **fields})


def dial(**fields: Any) -> OwnSession:
    """A dial of half a second that was refused."""
    return old(**{"id": "d", "request_id": "refused", "ms": 500, "tagged": False, "opened": False, **fields})


def theirs(**fields: Any) -> VendorRow:
    return row(**{"created_ms": NOW_MS - 2 * HOUR_MS, "agent": True, **fields})


def ledger(*sessions: OwnSession, **fields: Any) -> AuditedLedger:
    known: dict[str, Any] = {"target": "live", "run_of_tag": RUNS, "run_of_key": {"our-key": "run"}}
    return AuditedLedger(sessions=sessions, **{**known, **fields})


def findings(
    has: AuditedLedger,
    *rows: VendorRow,
    period: AuditedPeriod = PERIOD,
    terms: Terms = TERMS,
    failure: str | None = None,
) -> AuditFindings:
    return audit(has, PeriodStatement(rows=rows, failure=failure), has.ours, period, terms)


def verdict(
    has: AuditedLedger, *rows: VendorRow, period: AuditedPeriod = PERIOD, failure: str | None = None
) -> AuditVerdict:
    statement = PeriodStatement(rows=rows, failure=failure)
    return judge_audit(findings(has, *rows, period=period, failure=failure), has, statement, period)


def kinds(found: AuditFindings) -> list[str]:
    return [line.kind for line in found.lines]


# What is judged, and what isn't ---------------------------------------------------------------------------------------


def test_what_both_sides_have_is_reconciled() -> None:
    assert kinds(findings(ledger(old()), theirs())) == ["matched"]
    judged = verdict(ledger(old()), theirs())
    assert (judged.verdict, judged.reasons) == ("reconciled", ())


@pytest.mark.parametrize(
    "unlogged", [theirs(request_id="x"), theirs(request_id="x", tags=None, key_id="our-key")], ids=["tag", "key"]
)
def test_what_is_under_a_tag_or_key_of_any_run_in_this_ledger_and_not_in_it_is_unlogged(unlogged: VendorRow) -> None:
    found = findings(ledger(), unlogged)
    assert kinds(found) == ["missing-in-ledger"]
    assert verdict(ledger(), unlogged).verdict == "discrepancy"
    assert ledger().run_of(unlogged) == "run"


def test_what_is_under_another_ledgers_tag_is_counted_and_named_and_no_discrepancy() -> None:
    rows = [theirs(request_id=name, tags=frozenset(["dgbudget-elsewhere"]), duration_ms=1500) for name in "ab"]
    found = findings(ledger(), *rows)
    assert (kinds(found), found.other_ledgers) == ([], {"dgbudget-elsewhere": Amount(requests=2, ms=3000)})
    judged = verdict(ledger(), *rows)
    assert judged.verdict == "reconciled"
    assert judged.remarks[1].startswith("2 requests (3.0s) under 1 tag of other ledgers (dgbudget-elsewhere)")


def test_for_a_ledger_that_everybody_shares_every_tag_of_ours_is_judged() -> None:
    has, unlogged = ledger(), theirs(request_id="x", tags=frozenset(["dgbudget-elsewhere"]))
    statement = PeriodStatement(rows=[unlogged, theirs(request_id="y", tags=frozenset())])
    found = audit(has, statement, everybodys(statement.rows, has.ours), PERIOD, TERMS)
    assert [(line.kind, line.request_id) for line in found.lines] == [("missing-in-ledger", "x")]
    assert (found.other_ledgers, found.others) == ({}, Amount(requests=1, ms=10_000))


def test_somebody_elses_requests_are_a_remark_with_their_time() -> None:
    rows = [theirs(request_id="a", tags=frozenset()), theirs(request_id="b", tags=frozenset(), duration_ms=None)]
    assert findings(ledger(), *rows).others == Amount(requests=2, ms=None)
    judged = verdict(ledger(), *rows)
    assert (judged.verdict, judged.remarks[1:]) == (
        "reconciled",
        ("2 requests (an unknown time) of the Voice Agent under no tag of this plugin's: somebody else's",),
    )


def test_requests_without_tags_may_be_what_nobody_logged_so_the_audit_is_inconclusive() -> None:
    judged = verdict(ledger(old(), run_of_key={}), theirs(), theirs(request_id="x", tags=None))
    assert judged.verdict == "inconclusive"
    assert judged.reasons[0].startswith("1 request of the project without any tags")


def test_a_colleagues_row_before_and_after_it_settled_is_one_in_whatever_order() -> None:
    before = theirs(request_id="x", tags=None, settled=False, duration_ms=None, micro_usd=None)
    after = theirs(request_id="x", tags=frozenset())
    has = ledger(old(), run_of_key={})
    judged = [verdict(has, theirs(), *rows) for rows in ([before, after], [after, before])]
    assert [each.verdict for each in judged] == ["reconciled"] * 2
    assert judged[0] == judged[1]


@pytest.mark.parametrize(("ago_ms", "expected"), [(1000, "reconciled"), (3 * HOUR_MS, "inconclusive")])
def test_a_colleagues_open_session_has_no_tags_yet(ago_ms: int, expected: str) -> None:
    is_open = theirs(request_id="x", tags=None, settled=False, duration_ms=None, created_ms=NOW_MS - ago_ms)
    assert verdict(ledger(old(), run_of_key={}), theirs(), is_open).verdict == expected


def test_a_row_that_has_not_settled_has_lost_no_tag() -> None:
    for tags in (None, frozenset[str]()):
        has_not_settled = theirs(tags=tags, key_id="their-key", settled=False)
        assert findings(ledger(old()), has_not_settled).lost_tags == 0


def test_a_session_whose_tag_the_statement_has_lost_makes_it_inconclusive() -> None:
    judged = verdict(ledger(old()), theirs(tags=frozenset()))
    assert judged.verdict == "inconclusive"
    assert judged.reasons[0].startswith("1 session with other tags")
    assert verdict(ledger(old(tagged=False)), theirs(tags=frozenset())).verdict == "reconciled"


def test_runs_that_are_live_now_are_left_out_and_said_with_what_is_under_their_tag() -> None:
    has = ledger(old(), old(id="o", request_id="q", run="other"), live=frozenset(["run"]))
    rows = [theirs(duration_ms=99_000), theirs(request_id="x"), theirs(request_id="q")]
    found = findings(has, *rows)
    assert [line.request_id for line in found.lines] == ["q"]
    assert found.left_out == {"live-run": Amount(requests=2, ms=20_000)}
    assert "2 requests (20.0s) of runs that are live now, left out" in verdict(has, *rows).remarks[0]


def test_what_began_before_the_period_is_left_out_on_both_sides() -> None:
    before_ms = SINCE_MS - 1
    rows = [
        theirs(created_ms=before_ms, duration_ms=99_000),
        theirs(request_id="x", created_ms=before_ms),
        theirs(request_id="y", created_ms=before_ms, tags=frozenset()),
    ]
    found = findings(ledger(old(opened_at_ms=before_ms)), *rows)
    assert (kinds(found), found.others.requests) == ([], 0)
    assert found.left_out["earlier"].requests == 3


def test_a_session_at_the_edge_whose_row_is_in_the_period_is_not_unlogged() -> None:
    assert kinds(findings(ledger(old(opened_at_ms=SINCE_MS - 1)), theirs(created_ms=SINCE_MS + 1))) == []


def test_what_the_vendor_no_longer_keeps_is_not_missing_and_makes_it_inconclusive() -> None:
    period = replace(PERIOD, kept_since_ms=NOW_MS - DAY_MS)
    gone = old(id="gone", request_id="gone", opened_at_ms=NOW_MS - 2 * DAY_MS)
    still_there = old(id="there", request_id="there", opened_at_ms=NOW_MS - 2 * DAY_MS)
    missing = old(id="missing", request_id="missing")
    rows = [theirs(request_id="there", duration_ms=99_000)]
    found = findings(ledger(gone, still_there, missing), *rows, period=period)
    assert kinds(found) == ["duration", "missing-at-vendor"]
    assert found.left_out == {"not-kept": Amount(requests=1, ms=10_000)}
    judged = verdict(ledger(gone), period=period)
    assert judged.verdict == "inconclusive"
    assert "90 days" in judged.reasons[0]


def test_rehearsals_count_where_the_emulator_that_is_asked_has_any_of_their_sessions() -> None:
    known, missing = old(), old(id="m", request_id="m")
    elsewhere = old(id="e", request_id="e", run="other")
    found = findings(
        ledger(known, missing, elsewhere, target="rehearsal", project_of_run={"other": "another"}), theirs()
    )
    assert kinds(found) == ["matched", "missing-at-vendor"]
    assert found.left_out == {"other-emulator": Amount(requests=1, ms=10_000)}
    assert kinds(findings(ledger(elsewhere))) == ["missing-at-vendor"]


def test_a_statement_that_was_not_read_to_its_end_lacks_nothing_and_is_inconclusive() -> None:
    has = ledger(old(), old(id="n", request_id="n"))
    assert kinds(findings(has, theirs(), failure="no permission")) == ["matched", "pending"]
    judged = verdict(has, theirs(), failure="no permission")
    assert judged.verdict == "inconclusive"
    assert "no permission" in judged.reasons[0]


def test_a_discrepancy_is_one_even_where_something_could_not_be_checked() -> None:
    assert verdict(ledger(old()), theirs(duration_ms=99_000), failure="no permission").verdict == "discrepancy"


def test_requests_of_other_products_are_no_agents_sessions() -> None:
    found = findings(
        ledger(), theirs(tags=frozenset(), agent=False), theirs(request_id="u", tags=frozenset(), agent=None)
    )
    assert found.left_out == {"no-agent": Amount(requests=1, ms=10_000)}
    assert found.others == Amount(requests=1, ms=10_000)


def test_what_the_statement_has_of_dials_that_never_opened_is_not_unlogged() -> None:
    """A dial with a run's own key may be refused, and show under that key."""
    has = ledger(old(), dials=[dial()])
    rows = [theirs(), theirs(request_id="refused", key_id="our-key", duration_ms=0)]
    found = findings(has, *rows, *rows)
    assert kinds(found) == ["matched"]
    assert found.left_out == {"never-opened": Amount(requests=1, ms=0)}
    judged = verdict(has, *rows)
    assert judged.verdict == "reconciled"
    assert "refused or failed" in judged.remarks[0]


def test_a_refused_dial_that_is_billed_for_more_than_it_took_makes_the_audit_inconclusive() -> None:
    judged = verdict(
        ledger(old(), dials=[dial()]), theirs(), theirs(request_id="refused", key_id="our-key", duration_ms=600_000)
    )
    assert judged.verdict == "inconclusive"
    assert judged.reasons == (
        "1 request (600.0s) of dials that never opened, more than these took: ask the vendor what is billed of a "
        "refused dial",
    )


def test_a_request_that_began_while_a_dial_got_no_id_is_unconfirmed() -> None:
    lost = dial(request_id=None, opened_at_ms=NOW_MS - 2 * HOUR_MS, ended_at_ms=NOW_MS - 2 * HOUR_MS + 500)
    rows = [theirs(), theirs(request_id="x", duration_ms=0)]
    assert kinds(findings(ledger(old(), dials=[lost]), *rows)) == ["matched", "unconfirmed"]
    assert kinds(findings(ledger(old()), *rows)) == ["matched", "missing-in-ledger"]


# Sums -----------------------------------------------------------------------------------------------------------------


def test_sessions_past_midnight_are_counted() -> None:
    midnight_ms = NOW_MS - NOW_MS % DAY_MS
    over = old(opened_at_ms=midnight_ms - 1, ended_at_ms=midnight_ms + 1)
    within = old(id="w", request_id="w", opened_at_ms=midnight_ms, ended_at_ms=midnight_ms + 1)
    assert findings(ledger(over, within), theirs(), theirs(request_id="w")).over_midnight == Amount(
        requests=1, ms=10_000
    )


def test_the_estimate_is_held_against_the_statement_where_both_have_a_cost() -> None:
    sessions = [old(id=name, request_id=name) for name in "abcd"]
    has = ledger(*sessions, micro_usd={"a": 100, "b": 50, "c": 7})
    rows = [
        theirs(request_id="a", micro_usd=90),
        theirs(request_id="b", micro_usd=60),
        theirs(request_id="c", micro_usd=None),
        theirs(request_id="d", micro_usd=5),
    ]
    assert findings(has, *rows).estimate == EstimateError(sessions=2, own_micro_usd=150, vendor_micro_usd=150)
    assert findings(ledger(*sessions), *rows).estimate is None


def unseen(**fields: Any) -> UnseenUse:
    known: dict[str, Any] = {"lease": "l", "run": "run", "taken_at": "", "is_open": False, "ms": 5000, "micro_usd": 7}
    return UnseenUse(**{**known, **fields})


def test_what_nobody_saw_is_at_risk_until_the_ledger_charges_what_the_statement_has() -> None:
    lost = old(ms=None, ended_at_ms=None)
    has = ledger(lost, unseen=(unseen(sessions=("s",)), unseen(lease="m", sessions=("s", "t"))))
    found = findings(has, theirs())
    assert [use.stated_ms for use in found.unseen] == [10_000, None]
    assert risk_of(found) == (10_000, 14)
    judged = verdict(has, theirs())
    assert judged.verdict == "inconclusive"
    assert "at risk: 5.0s and $0.00, in 1 lease whose end nobody saw" in judged.reasons
    assert "dgbudget reconcile run" in judged.remarks[0]


def test_figures_that_have_not_settled_are_no_evidence() -> None:
    lost = old(id="lost", request_id="lost", ms=None, ended_at_ms=None)
    has = ledger(old(), lost, micro_usd={"s": 1}, unseen=(unseen(sessions=("lost",)),))
    found = findings(has, theirs(settled=False), theirs(request_id="lost", settled=False))
    assert (found.estimate, [use.stated_ms for use in found.unseen]) == (None, [None])


def test_a_risk_without_a_price_has_none_in_money() -> None:
    assert risk_of(findings(ledger(unseen=(unseen(), unseen(micro_usd=None))))) == (10_000, None)


def test_what_a_live_run_has_set_aside_is_not_at_risk() -> None:
    assert findings(ledger(unseen=(unseen(),), live=frozenset(["run"]))).unseen == ()


# Sums of time and money ----------------------------------------------------------------------------------------------

MANY = [f"r{number}" for number in range(30)]


def many(**fields: Any) -> list[OwnSession]:
    return [old(id=f"session {name}", request_id=name, **fields) for name in MANY]


def their_many(**fields: Any) -> list[VendorRow]:
    return [theirs(request_id=name, **fields) for name in MANY]


def hours_read(ms: int) -> Reading[int]:
    return Reading(value=ms, read_at_ms=NOW_MS)


def with_hours(
    has: AuditedLedger, rows: list[VendorRow], hours: Reading[int] | None
) -> tuple[AuditFindings, AuditVerdict]:
    statement = PeriodStatement(rows=rows, hours=hours)
    found = audit(has, statement, has.ours, PERIOD, TERMS)
    return found, judge_audit(found, has, statement, PERIOD)


def test_what_agrees_one_by_one_and_not_in_sum_is_drift() -> None:
    judged = verdict(ledger(*many()), *their_many(duration_ms=11_900))
    assert judged.verdict == "discrepancy"
    assert judged.reasons[0].startswith(
        "drift: 30 sessions agree one by one, and together the statement has 40.5s more"
    )


def test_drift_is_judged_for_each_key_of_a_run_as_well() -> None:
    """Where the keys differ in opposite directions, the sum of all shows nothing."""
    keys = {"key-1": "run", "key-2": "other"}
    sessions, rows = [], []
    for key, duration_ms in (("key-1", 11_900), ("key-2", 8_100)):
        sessions += [replace(each, id=f"{key} {each.id}", request_id=f"{key} {each.request_id}") for each in many()]
        rows += [
            replace(each, request_id=f"{key} {each.request_id}", key_id=key)
            for each in their_many(duration_ms=duration_ms)
        ]
    has = ledger(*sessions, run_of_key=keys)
    found = findings(has, *rows)
    assert found.drift.ms is None
    assert {key: (drift.n, drift.direction) for key, drift in found.drift_by_key.items()} == {
        "key-1": (30, "more"),
        "key-2": (30, "less"),
    }
    judged = verdict(has, *rows)
    assert judged.verdict == "discrepancy"
    assert "of the key key-1 (run run)" in judged.reasons[0]


def test_fewer_sessions_than_drift_takes_are_said() -> None:
    assert "there are 1" in verdict(ledger(old()), theirs()).remarks[0]


def test_rows_without_a_duration_are_held_against_the_hours() -> None:
    rows = their_many(duration_ms=None)
    assert needs_hours(ledger(*many()), rows)
    found, judged = with_hours(ledger(*many()), rows, hours_read(300_000))
    assert (found.hours.verdict, judged.verdict, judged.reasons) == ("reconciled", "reconciled", ())
    assert found.drift.n == 30
    found, judged = with_hours(ledger(*many()), rows, hours_read(400_000))
    assert (found.hours.verdict, judged.verdict) == ("discrepancy", "discrepancy")
    assert any(reason.startswith("hours: the days of the period have 400.0s") for reason in judged.reasons)


def test_hours_that_could_not_be_read_leave_such_sessions_unchecked() -> None:
    failed: Reading[int] = Reading(failure=ReadFailure(reason="no permission", temporary=False))
    _, judged = with_hours(ledger(*many()), their_many(duration_ms=None), failed)
    assert judged.verdict == "inconclusive"
    assert any("no permission" in reason for reason in judged.reasons)


def test_times_that_are_unclear_are_wrong_where_the_hours_disagree_as_well() -> None:
    rows = their_many(duration_ms=None, elapsed_ms=15_000)
    found, judged = with_hours(ledger(*many()), rows, hours_read(300_000))
    assert ({*kinds(found)}, judged.verdict) == ({"unclear"}, "inconclusive")
    found, judged = with_hours(ledger(*many()), rows, hours_read(450_000))
    assert ({*kinds(found)}, judged.verdict) == ({"duration"}, "discrepancy")


def test_hours_are_not_needed_where_each_of_our_rows_has_a_duration() -> None:
    has = ledger(*many())
    assert not needs_hours(has, [*their_many(), theirs(request_id="x", duration_ms=None)])
    assert not needs_hours(has, their_many(duration_ms=None, unreadable_duration="a string"))
    assert not needs_hours(has, their_many(duration_ms=None, settled=False))


def test_neither_a_duration_nor_the_tag_can_not_be_checked() -> None:
    rows = [theirs(duration_ms=None, tags=frozenset())]
    _, judged = with_hours(ledger(old(tagged=False)), rows, hours_read(0))
    assert judged.verdict == "inconclusive"
    assert any(reason.startswith("1 session without a duration") for reason in judged.reasons)


def test_the_hours_are_those_of_runs_that_have_ended() -> None:
    assert ledger(live=frozenset(["run"])).tags_in_hours == {"dgbudget-other"}


def test_what_began_before_the_first_day_of_the_hours_is_not_in_them() -> None:
    period = replace(PERIOD, kept_since_ms=NOW_MS - DAY_MS)
    earlier = old(opened_at_ms=NOW_MS - 2 * DAY_MS)
    statement = PeriodStatement(rows=[theirs(duration_ms=None)], hours=hours_read(0))
    found = audit(ledger(earlier), statement, ledger().ours, period, TERMS)
    assert (found.hours.verdict, found.untimed) == ("reconciled", 1)


@pytest.mark.parametrize(
    ("opened_ms", "ended_ms", "is_open"), [(-1, 0, True), (-1, None, True), (-2, -1, False), (0, 1, False)]
)
def test_a_session_past_the_first_midnight_is_in_hours_of_both_days(
    opened_ms: int, ended_ms: int | None, is_open: bool
) -> None:
    ended_at_ms = None if ended_ms is None else SINCE_MS + ended_ms
    has = ledger(old(opened_at_ms=SINCE_MS + opened_ms, ended_at_ms=ended_at_ms))
    assert was_open_at(has, SINCE_MS) is is_open


def test_a_price_that_is_not_the_users_is_a_wrong_rate_and_one_that_is_not_ours_a_remark() -> None:
    sessions, rows = many(tier="standard"), their_many(micro_usd=25_000)
    terms = replace(TERMS, prices={"standard": 75_000})
    found = findings(ledger(*sessions), *rows, terms=terms)
    assert {*kinds(found)} == {"wrong-rate"}
    (rate,) = found.rates
    assert (rate.tier, rate.n, rate.micro_usd_per_minute) == ("standard", 30, 150_000)
    shipped = replace(TERMS, shipped={"standard": 75_000})
    found = findings(ledger(*sessions), *rows, terms=shipped)
    assert {*kinds(found)} == {"matched"}
    statement = PeriodStatement(rows=rows)
    judged = judge_audit(found, ledger(*sessions), statement, PERIOD)
    assert judged.verdict == "reconciled"
    assert any("the shipped prices have $0.0750" in remark for remark in judged.remarks)


def test_what_the_list_lacks_is_asked_for_where_it_should_have_it() -> None:
    recent = old(id="recent", request_id="recent", ended_at_ms=NOW_MS)
    gone = old(id="gone", request_id="gone", opened_at_ms=SINCE_MS - 1)
    live = old(id="live", request_id="live", run="other")
    has = ledger(
        old(), old(id="b", request_id="b"), old(request_id=None), recent, gone, live, live=frozenset(["other"])
    )
    assert lacking_ids(has, [theirs()], PERIOD, TERMS) == ["b"]


def test_a_row_without_an_id_under_our_tag_is_counted_and_makes_the_audit_inconclusive() -> None:
    nameless = theirs(request_id="", duration_ms=10_800_000)
    has = ledger(old())
    judged = verdict(has, theirs(), nameless, nameless, theirs(request_id="", tags=frozenset()))
    assert judged.verdict == "inconclusive"
    assert judged.reasons == (
        "1 of the statement's rows under our tag or key have no request id: they can't be compared",
    )


def test_what_the_list_lacks_and_was_not_asked_for_is_not_missing() -> None:
    has = ledger(*(old(id=name, request_id=name) for name in "abc"))
    statement = PeriodStatement(rows=[theirs(request_id="a")], not_asked=frozenset("bc"))
    found = audit(has, statement, has.ours, PERIOD, TERMS)
    judged = judge_audit(found, has, statement, PERIOD)
    assert (kinds(found), judged.verdict) == (["matched"], "inconclusive")
    assert judged.reasons[0].startswith("2 sessions that the list of requests lacks")


# Any ledger, any statement --------------------------------------------------------------------------------------------

IDS = st.sampled_from("abcdefgh")
OPENED_IDS = st.sampled_from("abcdefg")
MOMENTS = st.none() | st.integers(SINCE_MS - 2, SINCE_MS + 2) | st.integers(SINCE_MS, NOW_MS)
FIGURES = st.none() | st.sampled_from([0, 10_000, 10_050, 11_000, 99_000])
SESSIONS = st.lists(
    st.builds(
        OwnSession,
        id=st.uuids().map(str),
        request_id=st.none() | OPENED_IDS,
        ms=FIGURES,
        opened_at_ms=MOMENTS,
        ended_at_ms=MOMENTS,
        tagged=st.booleans(),
        run=st.sampled_from(["run", "other"]),
    ),
    max_size=8,
)
ROWS = st.lists(
    st.builds(
        VendorRow,
        request_id=IDS,
        created_ms=MOMENTS,
        duration_ms=FIGURES,
        micro_usd=FIGURES,
        tags=st.none() | st.frozensets(st.sampled_from(["dgbudget-run", "dgbudget-other", "dgbudget-x", "dgbudget-y"])),
        key_id=st.sampled_from([None, "our-key", "their-key"]),
        agent=st.sampled_from([None, True, False]),
        settled=st.booleans(),
    ),
    max_size=12,
)
LEDGERS = st.builds(
    AuditedLedger,
    target=st.sampled_from(["live", "rehearsal"]),
    sessions=SESSIONS,
    run_of_tag=st.just(RUNS),
    run_of_key=st.just({"our-key": "run"}),
    live=st.sampled_from([frozenset(), frozenset(["run"])]),
    dials=st.just([dial(request_id="h")]),
)
PERIODS = st.builds(AuditedPeriod, since_ms=st.just(SINCE_MS), kept_since_ms=st.sampled_from([SINCE_MS, NOW_MS]))


def requests_in(found: AuditFindings) -> int:
    amounts = [*found.left_out.values(), *found.other_ledgers.values(), found.others]
    return len(found.lines) + sum(amount.requests for amount in amounts)


@given(LEDGERS, ROWS, PERIODS)
def test_every_session_and_every_request_is_in_exactly_one_line_or_remark(
    has: AuditedLedger, rows: list[VendorRow], period: AuditedPeriod
) -> None:
    found = findings(has, *rows, period=period)
    without_id = sum(each.request_id is None for each in has.sessions)
    ids = {own.request_id for own in has.sessions if own.request_id is not None} | {each.request_id for each in rows}
    assert requests_in(found) == without_id + len(ids)
    judged = [own.id for line in found.lines for own in line.own]
    assert len(judged) == len(set(judged))


@given(LEDGERS, ROWS, PERIODS, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_rows_that_come_twice_change_nothing(
    has: AuditedLedger, rows: list[VendorRow], period: AuditedPeriod, random: Any
) -> None:
    """But for which of several rows of one request, all of somebody else's, is looked at."""
    rows = list({each.request_id: each for each in rows}.values())
    again = [*rows, *rows[: random.randint(0, len(rows))]]
    random.shuffle(again)
    assert findings(has, *again, period=period) == findings(has, *rows, period=period)


@given(LEDGERS, ROWS, PERIODS)
def test_times_of_lines_and_remarks_add_up_to_those_of_both_sides(
    has: AuditedLedger, rows: list[VendorRow], period: AuditedPeriod
) -> None:
    sessions = [replace(each, ms=each.ms or 0) for each in has.sessions]
    rows = [
        replace(each, duration_ms=each.duration_ms or 0, settled=True)
        for each in {each.request_id: each for each in rows}.values()
    ]
    found = findings(replace(has, sessions=sessions), *rows, period=period)
    ours = {each.request_id for each in sessions}
    rest = [*found.left_out.values(), *found.other_ledgers.values(), found.others]
    told = sum((line.own_ms if line.own else line.vendor_ms) or 0 for line in found.lines)
    told += sum(amount.ms or 0 for amount in rest)
    assert told == sum(each.ms or 0 for each in sessions) + sum(
        each.duration_ms or 0 for each in rows if each.request_id not in ours
    )


def test_a_request_that_is_billed_twice_has_a_duration_twice() -> None:
    """Its time is in both rows, and need not be in the hours."""
    rows = [theirs(tags=frozenset(), duration_ms=ms) for ms in (10_000, 11_000)]
    found = findings(ledger(old(tagged=False)), *rows)
    assert (kinds(found), found.untimed) == (["duplicate"], 0)
