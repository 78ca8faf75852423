"""Taking leases, ending them once, and what the sums of every budget come to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import Bypass, Lease, Limit, OtherTarget, Overrun, TierSpan
from pytest_dgbudget.rules.budget import LONGEST_SESSION_MS, Refused
from tests.support.ledger import leased, sums, usage

from .conftest import OpenLedger


def test_a_lease_sets_aside_what_is_left_of_the_tests_budget(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    lease = leased(ledger, attempt)
    assert (lease.allowance_ms, lease.time_limit) == (10_000, Limit(scope="test", allowed=10_000))
    assert sums(ledger, attempt) == {"test": (0, 10_000), "run": (0, 10_000)}


def test_settling_frees_what_was_not_used(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    ledger.settle(leased(ledger, attempt), 3000)
    assert sums(ledger, attempt) == {"test": (3000, 0), "run": (3000, 0)}
    assert leased(ledger, attempt).allowance_ms == 7000


def test_the_run_sums_every_test_and_a_test_only_its_own(ledger: Ledger) -> None:
    first, second = ledger.begin_attempt("a", "", 10_000), ledger.begin_attempt("b", "", 20_000)
    ledger.settle(leased(ledger, first), 4000)
    leased(ledger, second)
    assert sums(ledger, first) == {"test": (4000, 0), "run": (4000, 20_000)}
    assert sums(ledger, second) == {"test": (0, 20_000), "run": (4000, 20_000)}


def test_what_is_dialled_elsewhere_counts_in_its_tests_budget_and_not_in_its_runs(open_again: OpenLedger) -> None:
    ledger = open_again()
    elsewhere, own = ledger.begin_attempt("a", "", 90_000, "emulator"), ledger.begin_attempt("b", "", 10_000)
    assert sums(ledger, own)["run"] == (0, 0)
    lease = leased(ledger, elsewhere)
    assert (lease.allowance_ms, lease.time_limit.scope) == (90_000, "test")
    assert (sums(ledger, elsewhere), sums(ledger, own)["run"]) == ({"test": (0, 90_000)}, (0, 0))
    ledger.settle(lease, 80_000)
    for known in (ledger, open_again(id="later")):  # as it adds up while it writes, and as the file has it
        assert sums(known, own)["run"] == (0, 0)
    assert leased(ledger, ledger.begin_attempt("a", "", 90_000, "emulator")).allowance_ms == 10_000


def test_an_attempt_and_its_dials_are_read_with_their_target(ledger: Ledger) -> None:
    targets: tuple[OtherTarget | None, ...] = (None, "emulator")
    for target in targets:
        attempt = ledger.begin_attempt(f"t{target}", "", 10_000, target)
        answer = ledger.lease_to_dial(attempt)
        assert isinstance(answer, tuple)
        ledger.record_dial(answer[0], target)
        known = ledger.known_attempt(attempt.id)
        assert known is not None
        assert (known.attempt, [session.target for session in known.sessions]) == (attempt, [target, target])


def test_reruns_share_the_tests_budget(ledger: Ledger) -> None:
    ledger.settle(leased(ledger, ledger.begin_attempt("t", "", 10_000)), 4000)
    rerun = ledger.begin_attempt("t", "", 10_000)
    assert rerun.left_ms == 6000
    assert leased(ledger, rerun).allowance_ms == 6000


def test_who_overdrew_has_nothing_left_and_not_less(ledger: Ledger) -> None:
    ledger.settle(leased(ledger, ledger.begin_attempt("t", "", 10_000)), 12_000)
    rerun = ledger.begin_attempt("t", "", 10_000)
    assert rerun.left_ms == 0
    assert isinstance(ledger.lease(rerun), Refused)


def test_a_cut_spends_the_budget_that_made_it_and_no_other(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    lease = leased(ledger, attempt)
    ledger.record_usage(usage(ledger.record_dial(lease), 5000, closed_by="test-budget"))
    ledger.settle(lease, 5000)
    assert isinstance(ledger.lease(attempt), Refused)
    rerun = ledger.begin_attempt("t", "", 10_000)
    assert rerun.left_ms == 0
    assert isinstance(ledger.lease(rerun), Refused)
    assert leased(ledger, ledger.begin_attempt("other", "", 10_000)).allowance_ms == 10_000


def test_a_cut_by_the_run_spends_it_until_a_later_invocation_gives_it_more(open_again: OpenLedger) -> None:
    ledger = open_again(budget_ms=15_000)
    lease = leased(ledger, ledger.begin_attempt("a", "", 60_000))
    assert lease.time_limit.scope == "run"
    ledger.record_usage(usage(ledger.record_dial(lease), 10_000, closed_by="run-budget", budget_ms=15_000))
    ledger.settle(lease, 10_000)
    refused = ledger.lease(ledger.begin_attempt("b", "", 60_000))
    assert isinstance(refused, Refused)
    assert refused.scope.name == "run"
    same = open_again(id="same", budget_ms=15_000)
    assert isinstance(same.lease(same.begin_attempt("a", "", 60_000)), Refused)
    more = open_again(id="more", budget_ms=20_000)
    assert leased(more, more.begin_attempt("a", "", 60_000)).allowance_ms == 10_000


def test_when_nobody_else_holds_any_the_rest_of_the_run_is_taken(open_again: OpenLedger) -> None:
    ledger = open_again(budget_ms=15_000)
    attempt = ledger.begin_attempt("a", "", 10_000)
    first = leased(ledger, attempt)
    other = ledger.begin_attempt("b", "", 10_000)
    assert isinstance(ledger.lease(other), Queued)
    ledger.settle(first, 10_000)
    lease = leased(ledger, other)
    assert (lease.allowance_ms, lease.time_limit) == (5000, Limit(scope="run", allowed=15_000))


def test_a_spent_run_refuses_and_leases_nothing(open_again: OpenLedger) -> None:
    ledger = open_again(budget_ms=5000)
    attempt = ledger.begin_attempt("a", "", 10_000)
    ledger.settle(leased(ledger, attempt), 4500)
    refused = ledger.lease(ledger.begin_attempt("b", "", 10_000))
    assert isinstance(refused, Refused)
    assert (refused.scope.name, refused.scope.settled) == ("run", 4500)
    assert sums(ledger, attempt)["run"] == (4500, 0)


def test_without_any_budget_a_lease_is_the_longest_session(open_again: OpenLedger) -> None:
    ledger = open_again(budget_ms=None)
    attempt = ledger.begin_attempt("t", "", None)
    assert attempt.left_ms is None
    assert ledger.scopes(attempt) == []
    assert leased(ledger, attempt).allowance_ms == LONGEST_SESSION_MS


def test_invocations_share_the_run_and_not_the_test(open_again: OpenLedger) -> None:
    first, second = open_again(id="a"), open_again(id="b", live=frozenset({"run"}))
    ledger_a, ledger_b = first.begin_attempt("t", "", 10_000), second.begin_attempt("t", "", 10_000)
    leased(first, ledger_a)
    assert sums(second, ledger_b) == {"test": (0, 0), "run": (0, 10_000)}


def test_another_runs_spending_is_its_own(open_again: OpenLedger) -> None:
    first, second = open_again(), open_again(id="other", run="other", live=frozenset({"run"}))
    leased(first, first.begin_attempt("t", "", 10_000))
    assert sums(second, second.begin_attempt("t", "", 10_000))["run"] == (0, 0)


# Once


def test_a_lease_ends_once(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    lease = leased(ledger, attempt)
    ledger.settle(lease, 3000)
    ledger.settle(lease, 0)
    assert sums(ledger, attempt)["run"] == (3000, 0)


def test_a_session_ends_once(ledger: Ledger) -> None:
    dial = ledger.record_dial(leased(ledger, ledger.begin_attempt("t", "", 10_000)))
    ledger.record_usage(usage(dial, 1000))
    with pytest.raises(LedgerError):
        ledger.record_usage(usage(dial, 1))
    assert [session.ms for session in ledger.facts().sessions] == [1000]


def test_a_session_whose_end_is_recorded_twice_since_nobody_knew_whether_it_was_ended_once(ledger: Ledger) -> None:
    dial = ledger.record_dial(leased(ledger, ledger.begin_attempt("t", "", 10_000)))
    record = usage(dial, 1000)
    ledger.record_usage(record)
    ledger.record_usage(record)
    assert [session.ms for session in ledger.facts().sessions] == [1000]


def test_an_invocation_ends_once_whoever_says_so_again(ledger: Ledger) -> None:
    ledger.end_invocation(0)
    ledger.end_invocation(1)
    assert [invocation.exit_status for invocation in ledger.facts().invocations] == [0]


# Attempts


def test_attempts_are_numbered_by_test_worker_and_invocation(open_again: OpenLedger) -> None:
    ledger, shard = open_again(), open_again(id="shard", live=frozenset({"run"}))
    assert [ledger.begin_attempt("t", "", None).number for _ in range(3)] == [1, 2, 3]
    assert ledger.begin_attempt("other", "", None).number == 1
    assert ledger.begin_attempt("t", "gw0", None).number == 1
    assert ledger.begin_attempt("t", "gw0", None).number == 2
    assert shard.begin_attempt("t", "", None).number == 1


def test_under_dist_each_every_worker_has_the_tests_budget(ledger: Ledger) -> None:
    ledger.settle(leased(ledger, ledger.begin_attempt("t", "gw0", 10_000)), 9000)
    assert ledger.begin_attempt("t", "gw1", 10_000).left_ms == 10_000


def test_of_several_outcomes_the_last_one_counts(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", None)
    ledger.record_outcome(attempt.id, "passed")
    ledger.record_outcome(attempt.id, "error")
    assert [a.outcome for a in ledger.facts().attempts] == ["error"]


# What it knows afterwards


def test_everything_that_was_told_is_in_the_facts(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    lease = leased(ledger, attempt)
    dial = ledger.record_dial(lease)
    ledger.record_welcome(dial, "request", 5)
    ledger.record_usage(usage(dial, 2000, closed_by="test-budget"))
    ledger.settle(lease, 2000)
    ledger.record_wait("w1", attempt, 1500, "run")
    ledger.record_wait("w2", attempt, 500, "place")
    for number, tolerated in enumerate((True, False, True)):
        overrun = Overrun(kind="refused", scope="run", used=1, allowed=2)
        ledger.record_refusal(f"r{number}", attempt, overrun, tolerated=tolerated)
    ledger.end_invocation(None)
    facts = ledger.facts()
    ((invocation,), (told,), (ended,), (session,)) = facts.invocations, facts.attempts, facts.leases, facts.sessions
    assert (facts.id, facts.target, facts.billed, facts.tag) == ("run", "emulator", False, "dgbudget-run")
    assert (invocation.finished_at is None, invocation.exit_status) == (False, None)
    assert (told.id, told.invocation) == (attempt.id, "invocation")
    assert (told.waited_ms, told.refused, told.refused_untolerated, told.outcome) == (2000, 3, 1, None)
    assert (ended.how, ended.charged_ms, ended.allowance_ms) == ("settled", 2000, 10_000)
    assert (session.request_id, session.ms, session.closed_by) == ("request", 2000, "test-budget")


def test_what_is_told_again_of_one_id_counts_once(ledger: Ledger) -> None:
    """Whoever lost the connection before the answer to a COMMIT tells it again."""
    attempt = ledger.begin_attempt("t", "", 10_000)
    refusal = Overrun(kind="refused", scope="run", used=1, allowed=2)
    bypass = Bypass(host="agent.deepgram.com", path="/v1/agent/converse", how="refused", program="app")
    for _ in range(2):
        ledger.record_wait("w", attempt, 1500, "run")
        ledger.record_refusal("r", attempt, refusal, tolerated=False, times=3)
        ledger.record_bypass("b", attempt.id, bypass)
    facts = ledger.facts()
    ((told,), bypasses) = facts.attempts, facts.bypasses
    assert (told.waited_ms, told.refused, bypasses) == (1500, 3, (bypass,))


def test_what_the_vendor_reported_of_each_session_is_known_and_of_one_that_nobody_saw_is_not(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    lease = leased(ledger, attempt)
    reported, silent, lost = (ledger.record_dial(lease) for _ in range(3))
    ledger.record_usage(replace(usage(reported), vendor_latencies_ms=(900, 0, 900)))
    ledger.record_usage(usage(silent))
    ledger.record_usage(usage(lost, None))
    facts, known = ledger.facts(), ledger.known_attempt(attempt.id)
    assert known is not None
    assert {each.id: each.vendor_reports for each in facts.sessions} == {reported: 3, silent: 0, lost: None}
    assert list(facts.vendor_latencies) == [(reported, attempt.id, ms) for ms in (900, 0, 900)]
    assert known.vendor_latencies == facts.vendor_latencies


def test_a_session_that_is_open_has_a_request_id_and_no_figures(ledger: Ledger) -> None:
    lease = leased(ledger, ledger.begin_attempt("t", "", 10_000))
    ledger.record_welcome(ledger.record_dial(lease), "request", 5)
    (session,) = ledger.facts().sessions
    assert (session.request_id, session.handshake_ms) == ("request", 5)
    assert (session.usage, session.ms, session.closed_by) == (None, None, None)


@pytest.mark.parametrize(
    ("tiers", "only"),
    [
        (("standard",), "standard"),
        (("standard", "standard"), "standard"),
        (("standard", "advanced"), None),
        ((None, "advanced"), None),
        ((None,), None),
        ((), None),
    ],
    ids=str,
)
def test_a_session_whose_tier_changed_has_none_from_beginning_to_end(
    ledger: Ledger, tiers: tuple[str | None, ...], only: str | None
) -> None:
    dial = ledger.record_dial(leased(ledger, ledger.begin_attempt("t", "", 10_000)))
    spans = (
        TierSpan(from_ms=500 * n, ms=500, tier=tier, micro_usd_per_minute=75_000, estimated=tier is None)
        for n, tier in enumerate(tiers)
    )
    last = tiers[-1] if tiers else None
    ledger.record_usage(replace(usage(dial), tier=last, tier_spans=tuple(spans)))
    (session,) = ledger.facts().sessions
    assert (session.tier, session.only_tier) == (last, only)


def test_an_orphaned_lease_costs_what_the_statement_has_of_it_the_last_one_counts(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    lease = leased(ledger, attempt)
    assert sums(ledger, attempt) == {"test": (0, 10_000), "run": (0, 10_000)}
    ledger.settle(lease, 10_000)
    for ms in (4000, 3000):
        ledger.record_reconciliation({"verdict": "pending"}, {lease.id: ms})
    assert [(each.ended_ms, each.charged_ms) for each in ledger.facts().leases] == [(10_000, 3000)]
    assert sums(ledger, attempt) == {"test": (3000, 0), "run": (3000, 0)}


def test_of_several_reconciliations_the_last_one_counts(ledger: Ledger) -> None:
    assert ledger.facts().reconciliation is None
    for verdict in ("pending", "reconciled"):
        ledger.record_reconciliation({"verdict": verdict, "lines": []})
    assert ledger.facts().reconciliation == {"verdict": "reconciled", "lines": []}


def test_nothing_of_a_failed_transaction_stays(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("t", "", 10_000)
    with pytest.raises(LedgerError):
        ledger.record_dial(Lease(id=None, allowance_ms=1, micro_usd=1, time_limit=Limit(scope="test", allowed=1)))  # type: ignore[arg-type]
    assert leased(ledger, attempt).allowance_ms == 10_000
    assert ledger.facts().sessions == ()
