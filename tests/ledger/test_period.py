"""What the ledger has of a period, over all runs."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from pytest_dgbudget.ledger import period
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.period import PeriodReader
from pytest_dgbudget.model import TierSpan
from tests.support.ledger import leased
from tests.support.past import live_run, record_of, request_of, spend

from .conftest import Address

LONG_AGO, LONG_AFTER = "2020-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z"


def run(address: Address, name: str, **fields: Any) -> Ledger:
    return live_run(address, name, **fields)


def reader(connection: Connection, *, target: str = "live", leases_since: str = LONG_AGO) -> PeriodReader:
    return PeriodReader(connection, target, leases_since)


def span(number: int, tier: str | None) -> TierSpan:
    return TierSpan(from_ms=number, ms=1, tier=tier, micro_usd_per_minute=1, estimated=False)


def test_sessions_of_every_run_are_read_once_whatever_the_parts(
    connection: Connection, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    dials = {}
    for name in ("a", "b", "c"):
        with closing(run(address, name)) as ledger:
            dials.update({spend(ledger): name for _ in range(3)})
    monkeypatch.setattr(period, "_LEASES_AT_ONCE", 2)
    found = list(reader(connection).sessions(LONG_AGO))
    assert {session.id: session.run for session in found} == dials
    assert len(found) == len(dials)
    assert {session.request_id for session in found} == {request_of(dial) for dial in dials}


def test_what_went_elsewhere_is_counted_and_not_read(connection: Connection, address: Address) -> None:
    with closing(run(address, "live")) as ledger:
        billed = spend(ledger)
        spend(ledger, target="emulator")
    with closing(run(address, "emulated", target="emulator", billed=False)) as ledger:
        spend(ledger)
    with closing(run(address, "rehearsed", target="rehearsal", billed=False)) as ledger:
        rehearsed = spend(ledger)
    assert [session.id for session in reader(connection).sessions(LONG_AGO)] == [billed]
    assert reader(connection).other_sessions(LONG_AGO) == {"emulator": 2, "rehearsal": 1}
    assert [session.id for session in reader(connection, target="rehearsal").sessions(LONG_AGO)] == [rehearsed]


def test_a_period_without_sessions_has_none(connection: Connection, address: Address) -> None:
    with closing(run(address, "a")) as ledger:
        spend(ledger)
    assert list(reader(connection).sessions(LONG_AFTER)) == []
    assert list(reader(connection, leases_since=LONG_AFTER).sessions(LONG_AFTER)) == []
    assert [found.tag for found in reader(connection, leases_since=LONG_AFTER).runs()] == ["dgbudget-a"]


def test_a_tier_counts_where_a_session_had_it_all_the_time_and_it_is_sure(
    connection: Connection, address: Address
) -> None:
    """A run's reconciliation and an audit judge the prices of the same sessions."""
    with closing(run(address, "a")) as ledger:
        whole = spend(ledger, tier="standard", tier_spans=(span(1, "standard"),))
        changed = spend(ledger, tier="standard", tier_spans=(span(1, "advanced"), span(2, "standard")))
        estimated = spend(ledger, tier="standard", estimated=True, tier_spans=(span(1, "standard"),))
        unknown = spend(ledger, tier="standard", tier_spans=(span(1, None), span(2, "standard")))
        without = spend(ledger, tier="standard", tier_spans=())
        unpriced = spend(ledger, tier="standard", estimated=None, tier_spans=(span(1, "standard"),))
        of_run = {session.id: session.only_tier for session in ledger.facts().sessions}
    of_period = {session.id: session.only_tier for session in reader(connection).sessions(LONG_AGO)}
    not_sure = dict.fromkeys((changed, estimated, unknown, without, unpriced))
    assert of_run == of_period == {whole: "standard", **not_sure}


def test_leases_whose_end_nobody_saw_are_found_with_what_was_metered_of_them(
    connection: Connection, address: Address
) -> None:
    with closing(run(address, "lost")) as ledger:
        spend(ledger)
        lease = leased(ledger, ledger.begin_attempt("lost", "", 10_000))
        ledger.record_usage(record_of(ledger.record_dial(lease), 3000, micro_usd=7))
        ledger.record_welcome(ledger.record_dial(lease), "lost", 80)
    with closing(run(address, "next")):
        pass
    with closing(run(address, "open")) as ledger:
        unended = leased(ledger, ledger.begin_attempt("open", "", 20_000))
        emulated = leased(ledger, ledger.begin_attempt("e", "", 20_000, "emulator"))
    assert emulated.id != unended.id
    orphaned, open_ = reader(connection).unseen_leases(LONG_AGO)
    assert (orphaned.id, orphaned.run, orphaned.how, orphaned.ended_ms) == (lease.id, "lost", "orphaned", 10_000)
    assert (orphaned.seen_ms, orphaned.seen_micro_usd) == (3000, 7)
    assert (open_.id, open_.how, open_.allowance_ms, open_.seen_ms) == (unended.id, None, 20_000, 0)


def test_what_a_session_used_is_known_once_its_record_comes_after_the_sweep(
    connection: Connection, address: Address
) -> None:
    with closing(run(address, "lost")) as ledger:
        dial = ledger.record_dial(leased(ledger, ledger.begin_attempt("lost", "", 10_000)))
    with closing(run(address, "next")) as later:
        later.record_usage(record_of(dial, 3000, micro_usd=7))
    (orphaned,) = reader(connection).unseen_leases(LONG_AGO)
    assert (orphaned.how, orphaned.ended_ms) == ("orphaned", 10_000)
    assert (orphaned.seen_ms, orphaned.seen_micro_usd) == (3000, 7)
