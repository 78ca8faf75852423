"""Gateways of several runs wait for one another on one file, and die: nothing is oversold, nobody overtakes or starves.

The machine plays the queue of each gateway, of which only the head asks, and keeps books of its own.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pytest_dgbudget.ledger import shared_queue
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import Attempt, Lease, WindowBudget
from tests.support.ledger import Others, open_ledger, usage

PLACES, WINDOW_MS = 2, 60_000
WINDOW = WindowBudget(period="month", currency="time", allowed=WINDOW_MS)
ALL_THINGS = frozenset({"places", "window"})
THINGS = st.sampled_from([ALL_THINGS, ALL_THINGS, frozenset({"places"}), frozenset({"window"})])
WHICH = st.integers(0, 20)


@dataclass(eq=False)
class Connect:
    """One in a queue: of a test, as all that connect in it."""

    id: str
    attempt: Attempt


@dataclass(eq=False)
class Held:
    """An open lease with its dials that have not ended, and what its attempt may use."""

    lease: Lease
    attempt: Attempt
    dials: list[str]


@dataclass(eq=False)
class Server:
    """A gateway. ``awaited`` is what its head was told to wait for, of the things that others want as well."""

    run: str
    ledger: Ledger
    things: frozenset[str]
    queue: list[Connect] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    awaited: str | None = None

    @property
    def head(self) -> Connect | None:
        """Who has a lease goes ahead."""
        further = (each for each in self.queue if self.lease_of(each) is not None)
        return next(further, None) or next(iter(self.queue), None)

    def lease_of(self, waiter: Connect) -> Held | None:
        return next((held for held in self.held if held.attempt is waiter.attempt), None)


class Line(RuleBasedStateMachine):
    """``line`` has those that wait with others, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.sweeps = patch.object(shared_queue, "_SWEEPS_EVERY_SECONDS", 0)
        self.sweeps.start()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.servers: list[Server] = []
        self.dead: list[Server] = []
        self.line: list[Server] = []
        self.live: set[str] = set()
        # What each has that waits as a row: kept when another one of its gateway goes ahead.
        self.rows: dict[Server, Connect] = {}
        self.made = 0

    @initialize()
    def start_three(self) -> None:
        for _ in range(3):
            self.start_one(ALL_THINGS)

    @precondition(lambda self: len(self.servers) < 4)
    @rule(things=THINGS)
    def start(self, things: frozenset[str]) -> None:
        self.start_one(things)

    def start_one(self, things: frozenset[str]) -> None:
        self.made += 1
        run = f"run-{self.made}"
        shared = SharedBudgets(
            windows=(WINDOW,) if "window" in things else (), sessions=PLACES if "places" in things else None
        )
        ledger = open_ledger(
            self.path,
            id=f"of-{run}",
            run=run,
            live=Others(self.live, run),
            shared=shared,
            billed=True,
            budget_ms=None,
        )
        self.live.add(run)
        self.servers.append(Server(run, ledger, things))

    @precondition(lambda self: self.servers)
    @rule(which=WHICH, ms=st.integers(1000, 30_000))
    def connect(self, which: int, ms: int) -> None:
        server = self.servers[which % len(self.servers)]
        self.made += 1
        attempt = server.ledger.begin_attempt(f"test-{self.made}", "", ms)
        server.queue.append(Connect(f"waiter-{self.made}", attempt))
        self.answered(server)

    @precondition(lambda self: any(server.held for server in self.servers))
    @rule(which=WHICH)
    def connect_again(self, which: int) -> None:
        """Ask for a further session of an open lease."""
        holding = [(server, held) for server in self.servers for held in server.held]
        server, held = holding[which % len(holding)]
        self.made += 1
        server.queue.append(Connect(f"waiter-{self.made}", held.attempt))
        self.answered(server)

    @precondition(lambda self: self.servers)
    @rule(which=WHICH)
    def ask(self, which: int) -> None:
        self.answered(self.servers[which % len(self.servers)])

    @precondition(lambda self: any(server.held for server in self.servers))
    @rule(which=WHICH, share=st.integers(0, 10))
    def end(self, which: int, share: int) -> None:
        holding = [(server, held) for server in self.servers for held in server.held]
        server, held = holding[which % len(holding)]
        self.end_one(server, held, held.lease.allowance_ms * share // 10)

    @precondition(lambda self: any(server.queue for server in self.servers))
    @rule(which=WHICH)
    def leave(self, which: int) -> None:
        waiting = [(server, waiter) for server in self.servers for waiter in server.queue]
        server, waiter = waiting[which % len(waiting)]
        self.forget(server, waiter)
        server.ledger.stop_waiting(waiter.id)

    @precondition(lambda self: self.line or any(server.held for server in self.servers))
    @rule(which=WHICH)
    def kill(self, which: int) -> None:
        busy = [server for server in self.servers if server.held or server in self.line]
        server = busy[which % len(busy)]
        self.servers.remove(server)
        server.ledger.close()
        self.live.remove(server.run)
        self.dead.append(server)
        self.rows.pop(server, None)
        self.line = [each for each in self.line if each is not server]

    def teardown(self) -> None:
        """Nobody starves: while whoever has a lease ends, somebody is answered in each round, whoever asks first."""
        try:
            while waiting := [server for server in self.servers if server.queue]:
                for server in self.servers:
                    for held in list(server.held):
                        self.end_one(server, held, 0)
                answered = [self.answered(server) for server in reversed(waiting)]
                assert any(answered), "everybody waits"
        finally:
            for server in self.servers:
                server.ledger.close()
            self.folder.cleanup()
            self.sweeps.stop()

    # How it is done -----------------------------------------------------------------------------------------------

    def answered(self, server: Server) -> bool:
        """Have the head of a queue ask; return whether it is out of it."""
        head = server.head
        if head is None:
            return False
        lease = server.lease_of(head)
        answer = self.first(server, head) if lease is None else self.further(server, head, lease)
        if isinstance(answer, Queued):
            assert answer.thing in server.things
            self.wait(server, head, answer.thing or "")
            self.check_rows()
            return False
        if isinstance(answer, Held):
            self.check_turn(server, frozenset({"places"}) & server.things if lease is not None else server.things)
        self.forget(server, head)
        self.check_sums(server)
        self.check_rows()
        return True

    def first(self, server: Server, head: Connect) -> Held | Queued | None:
        answer = server.ledger.lease_to_dial(head.attempt, None, head.id)
        if not isinstance(answer, tuple):
            return answer if isinstance(answer, Queued) else None
        held = Held(answer[0], head.attempt, [answer[1]])
        server.held.append(held)
        return held

    def further(self, server: Server, head: Connect, held: Held) -> Held | Queued:
        answer = server.ledger.further_dial(held.lease, head.attempt, None, head.id)
        if isinstance(answer, Queued):
            return answer
        held.dials.append(answer)
        return held

    def wait(self, server: Server, head: Connect, thing: str) -> None:
        server.awaited = thing
        if server not in self.line:
            self.line.append(server)
            self.rows[server] = head

    def forget(self, server: Server, waiter: Connect) -> None:
        """It is out of its queue, and if it is the one that has the row, of the line as well."""
        server.queue.remove(waiter)
        if self.rows.get(server) is waiter:
            self.line.remove(server)
            del self.rows[server]

    def end_one(self, server: Server, held: Held, ms: int) -> None:
        for number, dial in enumerate(held.dials):
            server.ledger.record_usage(usage(dial, ms if number == 0 else 0))
        server.ledger.settle(held.lease, ms)
        server.held.remove(held)

    def check_turn(self, server: Server, things: frozenset[str]) -> None:
        ahead = self.line[: self.line.index(server)] if server in self.line else self.line
        assert not [each.run for each in ahead if each is not server and each.awaited in things]

    def check_rows(self) -> None:
        """What the ledger has of those that live is what they wait for, in the order in which they came."""
        with closing(sqlite3.connect(self.path)) as ledger:
            rows = ledger.execute("SELECT run, waits_for FROM waiter ORDER BY at").fetchall()
        assert [row for row in rows if row[0] in self.live] == [(each.run, each.awaited) for each in self.line]

    def check_sums(self, server: Server) -> None:
        if "places" in server.things and all("places" in each.things for each in self.servers):
            assert sum(len(held.dials) for each in self.servers for held in each.held) <= PLACES
        if all("window" in each.things for each in (*self.servers, *self.dead)):
            attempt = server.ledger.begin_attempt(f"check-{self.made}", "", None)
            (window,) = server.ledger.scopes(attempt)
            assert window.settled + window.leased <= WINDOW_MS


TestI3Waiting = Line.TestCase
TestI3Waiting.settings = settings(stateful_step_count=40)
