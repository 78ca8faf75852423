"""What a period came to is added up by the database: the same as what each of its runs is charged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from benchmarks.filled_ledgers import Past, fill
from pytest_dgbudget.instants import read_instant, utc_now
from pytest_dgbudget.ledger import sql, vacuum
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.period_sums import (
    PeriodSums,
    ReplaySums,
    RunDay,
    TargetAndTest,
    TargetAndTier,
    used_of_window,
)
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.vacuum import Removed, Vacuum
from pytest_dgbudget.model import Replayed, WindowBudget
from pytest_dgbudget.report.charged import charged_micro_usd, charged_ms
from pytest_dgbudget.rules.spending import Spent, total
from tests.ledger.conftest import Address, OpenLedger
from tests.support.ledger import HIGHEST_PRICE, leased, usage
from tests.support.postgres import PostgresServer
from tests.support.spent_runs import Together, Took, add_run

A, B = "test_a.py::test", "test_b.py::test"
ADVANCED = Took(seconds=10.0, tier="advanced", micro_usd_per_minute=163_000)
LOST = Took(seconds=1.0, lost=True)


@pytest.fixture
def address(tmp_path: Path) -> Address:
    """A file; one test holds what a server adds up against it."""
    return tmp_path / "ledger.db"


@pytest.fixture
def filled(address: Address) -> Address:
    fill_with_runs(address)
    return address


def fill_with_runs(address: Address) -> None:
    """Three live runs of three days, one with an emulated test and one with a session that was lost; one emulated."""
    add_run(address, "first", "2026-10-01T23:59:59.000Z", {A: [12.0], B: [2.0, 3.0]}, emulated=[B])
    add_run(address, "second", "2026-10-02T00:00:00.000Z", {A: [12.0, 4.0], B: [ADVANCED]})
    add_run(address, "third", "2026-10-03T10:00:00.000Z", {A: [LOST]}, reconciled=False)
    skipping = Took(seconds=1.0, skipped_seconds=9.0)
    add_run(address, "emulated", "2026-10-02T12:00:00.000Z", {A: [skipping]}, target="emulator", reconciled=False)


def sums(connection: Connection, since: str = "2026-10-01", before: str = "2026-10-04") -> PeriodSums:
    first, end = (datetime.fromisoformat(day).replace(tzinfo=timezone.utc) for day in (since, before))
    return PeriodSums(connection, first, end)


def by_run(spendings: Mapping[RunDay, Spent], target: str = "live") -> dict[str, int]:
    seconds: Counter[str] = Counter()
    for key, spent in spendings.items():
        seconds[key.run] += spent.ms if key.target == target else 0
    return {run: ms for run, ms in seconds.items() if ms}


def test_a_server_adds_up_the_same(filled: Address, connection: Connection, postgres: PostgresServer) -> None:
    url = postgres.new_ledger()
    fill_with_runs(url)
    with closing(open_connection(url, None, durable=False)) as server:
        for here, there in zip(_all(connection), _all(server), strict=True):
            assert here == there


def _all(connection: Connection) -> list[object]:
    window = WindowBudget(period="month", currency="money", allowed=1)
    found = sums(connection)
    used = used_of_window(connection, window, date(2026, 10, 31), HIGHEST_PRICE)
    return [found.by_run(), found.archived(), found.by_test(), found.by_tier(), found.replays(), used]


def test_each_run_has_what_it_is_charged(filled: Address, connection: Connection) -> None:
    found = sums(connection).by_run()
    for run in ("first", "second", "third"):
        facts = LedgerReader(connection).facts(run).of_own_target()
        of_run = total(spent for key, spent in found.items() if key.run == run and key.target == "live")
        assert (of_run.ms, of_run.cost_micro_usd) == (charged_ms(facts), charged_micro_usd(facts))


def test_a_session_belongs_to_the_day_of_its_lease(filled: Address, connection: Connection) -> None:
    assert by_run(sums(connection, "2026-10-01", "2026-10-02").by_run()) == {"first": 12_000}
    assert by_run(sums(connection, "2026-10-02", "2026-10-03").by_run()) == {"second": 26_000}
    assert {key.day for key in sums(connection).by_run()} == {"2026-10-01", "2026-10-02", "2026-10-03"}


def test_what_was_emulated_is_apart_and_counts_as_it_would_be_live(filled: Address, connection: Connection) -> None:
    found = sums(connection).by_test()
    assert found.keys() == {TargetAndTest(target, test) for target in ("live", "emulator") for test in (A, B)}
    skipping, marked = found[TargetAndTest("emulator", A)], found[TargetAndTest("emulator", B)]
    assert (skipping.sessions, skipping.ms, skipping.cost_micro_usd) == (1, 10_000, 12_500)
    assert (marked.sessions, marked.ms, marked.cost_micro_usd) == (2, 5000, 6250)


def test_what_nobody_saw_is_charged_in_full_and_told_apart(filled: Address, connection: Connection) -> None:
    lost = sums(connection, "2026-10-03").by_test()[TargetAndTest("live", A)]
    assert lost == Spent(
        sessions=1,
        ms=60_000,
        micro_usd=75_000,
        unseen_ms=60_000,
        unseen_micro_usd=75_000,
        unstated=1,
        estimated=1,
    )


@pytest.mark.parametrize("target", ["live", "emulator"])
def test_of_two_sessions_in_a_lease_the_one_that_was_seen_counts_once(
    address: Address, connection: Connection, target: str
) -> None:
    both = Together(sessions=[Took(seconds=25.0), LOST])
    add_run(address, "run", "2026-10-01T10:00:00.000Z", {A: [both]}, target=target)
    (spent,) = sums(connection).by_test().values()
    assert (spent.sessions, spent.metered) == (2, 1)
    assert (spent.ms, spent.cost_micro_usd) == (60_000, 75_000)
    assert (spent.unseen_ms, spent.unseen_micro_usd) == (35_000, 43_750)


@pytest.mark.parametrize("target", ["live", "emulator"])
def test_nothing_is_at_risk_of_what_the_statement_has(address: Address, connection: Connection, target: str) -> None:
    both = Together(sessions=[Took(seconds=25.0), LOST], stated_seconds=31.0)
    add_run(address, "run", "2026-10-01T10:00:00.000Z", {A: [both]}, target=target)
    (spent,) = sums(connection).by_test().values()
    assert (spent.ms, spent.cost_micro_usd, spent.unseen_ms, spent.unseen_micro_usd) == (31_000, 38_750, 0, 0)
    assert spent.is_estimated, "the statement has its time, not its tier"


def test_an_open_lease_counts_in_full(open_again: OpenLedger, connection: Connection) -> None:
    ledger = open_again(run="open", target="live", billed=True)
    leased(ledger, ledger.begin_attempt(A, "", 20_000))
    today = read_instant(utc_now())
    assert today is not None
    found = PeriodSums(connection, today - timedelta(hours=1), today + timedelta(hours=1)).by_test()
    (spent,) = found.values()
    assert (spent.ms, spent.unseen_ms, spent.sessions) == (20_000, 20_000, 0)


def test_i11_replays_are_in_no_sum_but_their_own(open_again: OpenLedger, connection: Connection) -> None:
    today = read_instant(utc_now())
    assert today is not None
    live, replay = open_again(run="live", target="live", billed=True), open_again(run="replay", target="replay")
    for ledger in (live, replay, replay):
        lease, dial = ledger.begin_replay(ledger.begin_attempt(A, "", 20_000), "cassettes/test")
        played = replace(usage(dial, 200), micro_usd=0, skipped_ms=9800, forecast_micro_usd=12_500)
        ledger.record_usage(replace(played, replay=Replayed(cassette="cassettes/test/1")))
        ledger.settle(lease, 0, 0)
    open_one = replay.begin_attempt(A, "", 20_000)
    replay.begin_replay(open_one, "cassettes/test")
    found = PeriodSums(connection, today - timedelta(hours=1), today + timedelta(hours=1))
    assert (found.by_run(), found.by_test(), found.by_tier()) == ({}, {}, {})
    assert found.replays() == ReplaySums(runs=2, sessions=4, ms=30_000, micro_usd=37_500)


def test_i11_what_replays_saved_stays_when_their_run_is_archived(
    open_again: OpenLedger, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = read_instant(utc_now())
    assert today is not None
    live = open_again(id="live", run="live", target="live", billed=True)
    replay = open_again(id="replay", run="replay", target="replay")
    for ledger in (live, replay, replay):
        lease, dial = ledger.begin_replay(ledger.begin_attempt(A, "", 20_000), "cassettes/test")
        played = replace(usage(dial, 200), micro_usd=0, skipped_ms=9800, forecast_micro_usd=12_500)
        ledger.record_usage(replace(played, replay=Replayed(cassette="cassettes/test/1")))
        ledger.settle(lease, 0, 0)
    for ledger in (live, replay):
        ledger.end_invocation(0)
    monkeypatch.setattr(vacuum, "_SHORTEST_AGE", timedelta(0))
    taken = Vacuum(connection, lambda run: False)
    with connection.transaction():
        for run in ("live", "replay"):
            assert taken.came_to(run) == Removed(run, 0, 0, 0)
            assert [*taken.remove({run: Counter(table for table, _ in taken.rows(run))}, "old.jsonl.gz")]
    again = open_again(run="replay", id="again", target="replay")
    again.begin_replay(again.begin_attempt(A, "", 20_000), "cassettes/test")
    found = PeriodSums(connection, today - timedelta(hours=1), today + timedelta(hours=1))
    assert (found.by_run(), found.archived()) == ({}, {})
    assert found.replays() == ReplaySums(runs=2, sessions=4, ms=30_000, micro_usd=37_500)


def test_the_vendors_figures_are_known_where_each_is(filled: Address, connection: Connection) -> None:
    by_test = sums(connection, "2026-10-01", "2026-10-03").by_test()
    assert by_test[TargetAndTest("live", A)].stated_micro_usd == 28 * 1250
    assert sums(connection).by_test()[TargetAndTest("live", A)].stated_micro_usd is None


def test_what_has_no_price_is_counted(address: Address, connection: Connection) -> None:
    add_run(address, "old", "2026-10-01T10:00:00.000Z", {A: [12.0, Took(seconds=3.0, micro_usd_per_minute=None)]})
    (spent,) = sums(connection).by_test().values()
    assert (spent.ms, spent.micro_usd, spent.unpriced, spent.cost_micro_usd) == (15_000, 15_000, 1, None)


def test_tiers_have_what_was_metered(filled: Address, connection: Connection) -> None:
    found = sums(connection).by_tier()
    assert found[TargetAndTier("live", "advanced")].ms == 10_000
    assert found[TargetAndTier("live", "standard")].ms == 28_000
    assert found[TargetAndTier("live", "advanced")].micro_usd == 27_167
    assert found[TargetAndTier("live", "advanced")].stated_micro_usd is None, "the statement has no tiers"


def test_what_the_statement_says_of_a_lost_session_counts(filled: Address, connection: Connection) -> None:
    (lost,) = connection.rows("SELECT id FROM lease WHERE run = 'third'", {})
    connection.execute(sql.INSERT_STATED, {"lease": lost["id"], "ms": 6000, "at": utc_now()})
    (spent,) = sums(connection, "2026-10-03").by_test().values()
    assert (spent.ms, spent.cost_micro_usd, spent.unseen_ms) == (6000, 7500, 0)


def test_archived_runs_count_on_the_day_on_which_they_began(
    filled: Address, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = by_run(sums(connection).by_run())
    monkeypatch.setattr(vacuum, "_SHORTEST_AGE", timedelta(0))
    taken = Vacuum(connection, lambda run: False)
    with connection.transaction():
        for run in ("first", "second"):
            counts = Counter(table for table, _ in taken.rows(run))
            assert [*taken.remove({run: counts}, "old.jsonl.gz")]
    found = sums(connection).archived()
    assert found[RunDay("live", "first", "2026-10-01")] == Spent(
        sessions=1, metered=1, ms=12_000, micro_usd=15_000, unstated=1
    )
    assert by_run(found) | by_run(sums(connection).by_run()) == before
    assert by_run(sums(connection, "2026-10-02", "2026-10-03").archived()) == {"second": 26_000}


@pytest.mark.parametrize(
    ("period", "today", "used"),
    [("day", date(2026, 10, 2), 26_000), ("day", date(2026, 10, 4), 0), ("month", date(2026, 10, 31), 98_000)],
)
def test_a_window_has_what_its_runs_find(
    filled: Address, connection: Connection, period: str, today: date, used: int
) -> None:
    window = WindowBudget(period="day" if period == "day" else "month", currency="time", allowed=3_600_000)
    assert used_of_window(connection, window, today, HIGHEST_PRICE) == used


def test_a_window_in_money_counts_what_has_no_price_at_the_highest(address: Address, connection: Connection) -> None:
    add_run(address, "old", "2026-10-01T10:00:00.000Z", {A: [6.0, Took(seconds=60.0, micro_usd_per_minute=None)]})
    window = WindowBudget(period="day", currency="money", allowed=1)
    assert used_of_window(connection, window, date(2026, 10, 1), HIGHEST_PRICE) == 7500 + HIGHEST_PRICE


@pytest.mark.slow
def test_a_hundred_thousand_sessions_are_added_up_in_seconds(tmp_path: Path) -> None:
    """The aim is 2 s, which benchmarks look at."""
    began = datetime(2026, 9, 1, tzinfo=timezone.utc)
    fill(tmp_path / "ledger.db", Past(runs=1000, invocations=1, sessions=100), began)
    connection = open_connection(tmp_path / "ledger.db", None, durable=False)
    begun = time.monotonic()
    period = PeriodSums(connection, began, began + timedelta(days=30))
    rows = [*period.by_run(), *period.by_test(), *period.by_tier(), *period.archived()]
    took = time.monotonic() - begun
    connection.close()
    assert len(rows) < 2000, "the database adds up"
    assert took < 20
