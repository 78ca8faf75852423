"""Several gateways wait for the same: who came first is served first, and nobody waits for one that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pytest_dgbudget.ledger import shared_queue
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import Attempt, Lease, OtherTarget, WindowBudget
from pytest_dgbudget.rules.budget import Refused
from tests.support.ledger import Others, open_ledger, usage
from tests.support.postgres import PostgresServer

from .conftest import Address

MINUTE_MS = 60_000
ON_WINDOW, ON_PLACE = Queued("window", "window"), Queued("project-place", "places")


class Team:
    """Gateways of one ledger, by their runs. Those in ``live`` hold their run's lock."""

    def __init__(self, address: Address, connection: Connection) -> None:
        self.address, self.connection = address, connection
        self.live: set[str] = set()
        self.opened: dict[str, Ledger] = {}

    def gateway(
        self, run: str, *, window_ms: int | None = None, sessions: int | None = None, billed: bool = True
    ) -> Gateway:
        windows = () if window_ms is None else (WindowBudget(period="day", currency="time", allowed=window_ms),)
        shared = SharedBudgets(windows=windows, sessions=sessions)
        self.live.add(run)
        ledger = open_ledger(
            self.address,
            id=f"of-{run}",
            run=run,
            live=Others(self.live, run),
            shared=shared,
            billed=billed,
            budget_ms=None,
        )
        self.opened[run] = ledger
        return Gateway(ledger, run)

    def kill(self, run: str) -> None:
        """Have a gateway be gone, with all that it held."""
        self.opened.pop(run).close()
        self.live.remove(run)

    def waiting(self) -> list[tuple[str, str]]:
        rows = self.connection.rows("SELECT run, waits_for FROM waiter ORDER BY at, id", {})
        return [(row["run"], row["waits_for"]) for row in rows]


class Gateway:
    """One that asks for sessions, one at a time, of tests with a minute each."""

    def __init__(self, ledger: Ledger, run: str) -> None:
        self.ledger, self.run = ledger, run
        self._attempts: dict[str, Attempt] = {}

    def asks(
        self, test: str = "a", *, budget_ms: int = MINUTE_MS, target: OtherTarget | None = None
    ) -> tuple[Lease, str] | Queued | Refused:
        if test not in self._attempts:
            self._attempts[test] = self.ledger.begin_attempt(test, "", budget_ms, target)
        return self.ledger.lease_to_dial(self._attempts[test], None, f"{self.run}-{test}")

    def gets(
        self, test: str = "a", *, budget_ms: int = MINUTE_MS, target: OtherTarget | None = None
    ) -> tuple[Lease, str]:
        taken = self.asks(test, budget_ms=budget_ms, target=target)
        assert isinstance(taken, tuple), taken
        return taken

    def asks_again(self, lease: Lease, test: str = "a") -> str | Queued:
        """Ask for one session more of an open lease."""
        return self.ledger.further_dial(lease, self._attempts[test], None, f"{self.run}-{test}-further")

    def ends(self, taken: tuple[Lease, str], ms: int = 0) -> None:
        lease, dial = taken
        self.ledger.record_usage(usage(dial, ms))
        self.ledger.settle(lease, ms)

    def leaves(self, test: str = "a") -> None:
        self.ledger.stop_waiting(f"{self.run}-{test}")


@pytest.fixture
def team(address: Address, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    monkeypatch.setattr(shared_queue, "_SWEEPS_EVERY_SECONDS", 0)
    team = Team(address, connection)
    yield team
    for ledger in team.opened.values():
        ledger.close()


@pytest.fixture
def team_on_file(tmp_path: Path) -> Iterator[Team]:
    path = tmp_path / "ledger.db"
    with closing(open_connection(path, None, durable=False)) as connection:
        team = Team(path, connection)
        yield team
        for ledger in team.opened.values():
            ledger.close()


@pytest.mark.parametrize("names", ["bc", "cb"])
def test_who_waited_first_is_served_first_whoever_asks_first(team: Team, names: str) -> None:
    holder, first, second = [team.gateway(name, window_ms=MINUTE_MS) for name in ("a", *names)]
    held = holder.gets()
    assert (first.asks(), second.asks()) == (ON_WINDOW, ON_WINDOW)
    holder.ends(held)
    assert second.asks() == ON_WINDOW
    first.ends(first.gets())
    second.gets()
    assert team.waiting() == []


def test_a_small_one_does_not_overtake(team: Team) -> None:
    holder, large, small = [team.gateway(name, window_ms=2 * MINUTE_MS) for name in "abc"]
    held = [holder.gets("a"), holder.gets("b", budget_ms=MINUTE_MS // 2)]
    assert large.asks() == ON_WINDOW
    assert small.asks(budget_ms=1000) == ON_WINDOW, "30 s are free"
    holder.ends(held[0])
    large.gets()
    small.gets()


def test_one_that_could_be_served_waits_only_for_those_that_want_the_same(team: Team) -> None:
    """Who has no window does not wait for those that wait for one."""
    holder, other = team.gateway("a", window_ms=MINUTE_MS, sessions=9), team.gateway("b", window_ms=MINUTE_MS)
    holder.gets()
    assert other.asks() == ON_WINDOW
    team.gateway("without", sessions=9).gets()
    assert team.waiting() == [("b", "window")]


def test_the_budget_of_its_own_run_is_a_row_where_other_gateways_may_serve_it(team: Team) -> None:
    gateway = open_ledger(team.address, billed=True, live={"run"}, budget_ms=MINUTE_MS)
    attempts = [gateway.begin_attempt(name, "", MINUTE_MS) for name in "ab"]
    assert isinstance(gateway.lease_to_dial(attempts[0], None, "a"), tuple)
    alone = isinstance(team.address, Path)
    assert gateway.lease_to_dial(attempts[1], None, "b") == Queued("run", None if alone else "run:run:")
    assert team.waiting() == ([] if alone else [("run", "run:run:")])
    gateway.close()


def test_gateways_that_serve_one_run_wait_for_its_budget_in_their_order(postgres: PostgresServer) -> None:
    """On a server: a file serves a run by one gateway at a time."""
    url = postgres.new_ledger()
    shards = [open_ledger(url, id=name, billed=True, live={"run"}, budget_ms=MINUTE_MS) for name in "abc"]
    attempts = [shard.begin_attempt("t", "", MINUTE_MS) for shard in shards]
    waits = Queued("run", "run:run:")

    def ask(number: int) -> tuple[Lease, str] | Queued | Refused:
        return shards[number].lease_to_dial(attempts[number], None, str(number))

    held = ask(0)
    assert isinstance(held, tuple)
    assert (ask(1), ask(2)) == (waits, waits)
    shards[0].record_usage(usage(held[1], 0))
    shards[0].settle(held[0], 0)
    assert ask(2) == waits
    assert isinstance(ask(1), tuple)
    for shard in shards:
        shard.close()


def test_who_is_refused_or_leaves_keeps_nobody_waiting(team: Team) -> None:
    holder, refused, leaves, last = [team.gateway(name, window_ms=MINUTE_MS) for name in "abcd"]
    held = holder.gets()
    assert refused.asks() == leaves.asks() == last.asks() == ON_WINDOW
    holder.ends(held, MINUTE_MS - 500)
    assert isinstance(refused.asks(), Refused)
    assert team.waiting() == [("c", "window"), ("d", "window")]
    leaves.leaves()
    assert isinstance(last.asks(), Refused)
    assert team.waiting() == []


def test_a_waiter_whose_gateway_is_gone_is_passed_over_and_removed(team: Team) -> None:
    holder, gone, next_one = [team.gateway(name, window_ms=MINUTE_MS) for name in "abc"]
    held = holder.gets()
    assert gone.asks() == next_one.asks() == ON_WINDOW
    team.kill("b")
    holder.ends(held)
    next_one.gets()
    assert team.waiting() == []


def test_what_a_gateway_held_that_is_gone_is_not_waited_for(team: Team) -> None:
    """It is charged in full, as at the start of a run."""
    holder, other = [team.gateway(name, window_ms=2 * MINUTE_MS, sessions=1) for name in "ab"]
    holder.gets()
    assert other.asks() == ON_PLACE
    team.kill("a")
    lease, _ = other.gets(budget_ms=9 * MINUTE_MS)
    assert lease.allowance_ms == MINUTE_MS


def test_a_gateway_keeps_its_turn_whoever_of_it_asks(team: Team) -> None:
    """One that has a lease already goes ahead in its gateway: that is no new turn, nor does it cost the other's."""
    holder, two, other = [team.gateway(name, sessions=2) for name in "abc"]
    lease, dial = two.gets("a")
    held = holder.gets()
    assert two.asks("b") == ON_PLACE
    assert other.asks() == ON_PLACE
    assert two.asks_again(lease) == ON_PLACE
    holder.ends(held)
    assert isinstance(two.asks_again(lease), str)
    assert team.waiting() == [("b", "places"), ("c", "places")]
    two.ledger.record_usage(usage(dial))
    assert other.asks() == ON_PLACE
    two.gets("b")


def test_places_are_those_of_all_billed_sessions_that_have_not_ended(team: Team) -> None:
    one, two = team.gateway("a", sessions=2), team.gateway("b", sessions=2)
    first = one.gets("a")
    second = one.asks_again(first[0])
    assert isinstance(second, str)
    assert two.asks() == one.asks("b") == ON_PLACE
    one.ledger.record_usage(usage(second))
    assert one.asks_again(first[0]) == ON_PLACE, "the other one came first"
    two.gets()
    assert one.asks_again(first[0]) == ON_PLACE


def test_what_is_not_billed_takes_no_place_and_waits_for_none(team: Team) -> None:
    billed, rehearsed = team.gateway("a", sessions=1), team.gateway("b", sessions=1, billed=False)
    lease, _ = rehearsed.gets("a")
    assert isinstance(rehearsed.asks_again(lease), str)
    billed.gets("elsewhere", target="emulator")
    billed.gets("a")
    rehearsed.gets("b")
    billed.gets("elsewhere too", target="emulator")
    assert billed.asks("b") == ON_PLACE


def test_a_place_that_could_not_be_recorded_is_not_taken(team: Team) -> None:
    gateway = team.gateway("a", sessions=1)
    with pytest.raises(ZeroDivisionError), gateway.ledger.together():
        gateway.gets("a")
        raise ZeroDivisionError
    gateway.gets("b")


def test_a_gateway_in_the_place_of_a_dead_one_does_not_wait_for_it(team: Team) -> None:
    holder, dead = [team.gateway(name, window_ms=MINUTE_MS) for name in "ab"]
    held = holder.gets()
    assert dead.asks() == ON_WINDOW
    team.kill("b")
    team.connection.execute("UPDATE waiter SET at = '2000-01-01T00:00:00.000Z'", {})
    # As in production: who holds the run's lock is the only one that serves it.
    successor = open_ledger(
        team.address,
        id="of-b",
        run="b",
        live={"a"},
        shared=SharedBudgets(windows=(WindowBudget(period="day", currency="time", allowed=MINUTE_MS),)),
        billed=True,
        budget_ms=None,
    )
    team.opened["b"] = successor
    gateway = Gateway(successor, "b-again")
    holder.ends(held)
    gateway.gets()


def test_a_clock_that_is_set_back_lets_nobody_overtake(team_on_file: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, first, second = [team_on_file.gateway(name, window_ms=MINUTE_MS) for name in "abc"]
    held = holder.gets()
    assert first.asks() == ON_WINDOW
    monkeypatch.setattr(SqliteConnection, "now", lambda self: datetime.now(timezone.utc) - timedelta(seconds=1))
    assert second.asks() == ON_WINDOW
    holder.ends(held)
    assert second.asks() == ON_WINDOW
    first.gets()


def test_whoever_waits_writes_once(team_on_file: Team) -> None:
    """Those that look ten times a second wake nobody by it."""
    holder, waits = [team_on_file.gateway(name, window_ms=MINUTE_MS) for name in "ab"]
    holder.gets()
    waits.asks()
    version = team_on_file.connection.version()
    assert waits.asks() == ON_WINDOW
    assert team_on_file.connection.version() == version
