"""What a gateway left that is gone: every lease of it ends once, and what nobody saw the end of is charged in full."""

from __future__ import annotations

import pytest

from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import Lease
from tests.support.ledger import leased, usage

from .conftest import OpenLedger

ALLOWANCE_MS = 10_000


@pytest.fixture
def lost(open_again: OpenLedger) -> Ledger:
    """The ledger of a gateway that will not say goodbye."""
    return open_again(id="lost", run="lost")


def lease_of(ledger: Ledger) -> Lease:
    return leased(ledger, ledger.begin_attempt("t", "", ALLOWANCE_MS))


def swept(lost: Ledger, open_again: OpenLedger) -> tuple[str | None, int | None]:
    """Return how the one lease of the lost run ended when somebody else came."""
    open_again()
    ((lease,)) = lost.facts().leases
    return lease.how, lease.charged_ms


def test_a_lease_without_a_dial_costs_nothing(lost: Ledger, open_again: OpenLedger) -> None:
    lease_of(lost)
    assert swept(lost, open_again) == ("settled", 0)


def test_a_lease_whose_sessions_all_ended_costs_their_sum(lost: Ledger, open_again: OpenLedger) -> None:
    lease = lease_of(lost)
    for ms in (1000, 2500):
        lost.record_usage(usage(lost.record_dial(lease), ms))
    assert swept(lost, open_again) == ("settled", 3500)


def test_a_lease_with_a_session_that_nobody_saw_end_is_charged_in_full(lost: Ledger, open_again: OpenLedger) -> None:
    lease = lease_of(lost)
    lost.record_usage(usage(lost.record_dial(lease), 1000))
    dial = lost.record_dial(lease)
    lost.record_welcome(dial, "its-request", 7)
    assert swept(lost, open_again) == ("orphaned", ALLOWANCE_MS)
    (session,) = [session for session in lost.facts().sessions if session.id == dial]
    assert (session.closed_by, session.ms, session.closed_at) == ("gateway-lost", None, None)
    assert (session.request_id, session.handshake_ms, session.confirmed) == ("its-request", 7, 0)


def test_what_was_metered_beyond_the_allowance_is_charged_as_it_was(lost: Ledger, open_again: OpenLedger) -> None:
    lease = lease_of(lost)
    lost.record_usage(usage(lost.record_dial(lease), ALLOWANCE_MS + 500))
    lost.record_dial(lease)
    assert swept(lost, open_again) == ("orphaned", ALLOWANCE_MS + 500)


def test_a_lease_of_a_run_that_is_live_is_left_alone(lost: Ledger, open_again: OpenLedger) -> None:
    lease = lease_of(lost)
    open_again(live=frozenset({"lost"}))
    assert [(lease.how, lease.ended_ms) for lease in lost.facts().leases] == [(None, None)]
    lost.settle(lease, 1000)


def test_a_lease_that_has_ended_is_left_alone(lost: Ledger, open_again: OpenLedger) -> None:
    lease = lease_of(lost)
    lost.record_dial(lease)
    lost.settle(lease, 1000)
    assert swept(lost, open_again) == ("settled", 1000)


def test_who_comes_back_can_end_nothing_any_more_but_knows_what_was_used(lost: Ledger, open_again: OpenLedger) -> None:
    lease = lease_of(lost)
    dial = lost.record_dial(lease)
    open_again()
    lost.settle(lease, 1)
    lost.record_usage(usage(dial, 1))
    assert [(each.how, each.charged_ms) for each in lost.facts().leases] == [("orphaned", ALLOWANCE_MS)]
    assert [(session.ms, session.closed_by) for session in lost.facts().sessions] == [(1, "client")]


def test_who_comes_back_and_ends_for_a_successor_knows_what_was_used_as_well(
    lost: Ledger, open_again: OpenLedger
) -> None:
    dial = lost.record_dial(lease_of(lost))
    assert swept(lost, open_again) == ("orphaned", ALLOWANCE_MS)
    record = usage(dial, 1234, closed_by="gateway-lost")
    for _ in range(2):
        lost.record_usage(record)
    assert [session.ms for session in lost.facts().sessions] == [1234]


def test_the_successor_of_a_gateway_is_the_same_invocation(lost: Ledger, open_again: OpenLedger) -> None:
    lost.record_dial(lease_of(lost))
    successor = open_again(id="lost", run="lost")
    facts = successor.facts()
    assert [invocation.id for invocation in facts.invocations] == ["lost"]
    assert [(lease.how, lease.charged_ms) for lease in facts.leases] == [("orphaned", ALLOWANCE_MS)]
    assert successor.begin_attempt("t", "", ALLOWANCE_MS).left_ms == 0


def test_a_lease_of_a_run_that_was_live_is_ended_when_it_is_not_any_more(lost: Ledger, open_again: OpenLedger) -> None:
    """However many have come, and ended, since."""
    lost.record_dial(lease_of(lost))
    for number in range(3):
        later = open_again(id=f"later-{number}", run=f"later-{number}", live=frozenset({"lost"}))
        later.settle(lease_of(later), 1000)
    assert swept(lost, open_again) == ("orphaned", ALLOWANCE_MS)


def test_a_lease_that_is_taken_after_a_sweep_is_ended_by_the_next_one(lost: Ledger, open_again: OpenLedger) -> None:
    lost.settle(lease_of(lost), 1000)
    open_again(id="in between", run="in between", live=frozenset({"lost"}))
    lost.record_dial(lease_of(lost))
    open_again()
    assert [lease.how for lease in lost.facts().leases] == ["settled", "orphaned"]
