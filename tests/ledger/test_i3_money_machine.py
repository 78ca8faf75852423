"""I3 in both currencies: runs, paths and windows of one file, over midnights and ends of months.

Leases are the product's, with sessions that are relayed to vendors in memory; these price what reached them by
themselves. What is promised is read from the file: what an open lease has set aside, and what the vendors saw of those
that have ended.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.sessions import MeteredSession, SessionTerms
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.ledger import ledger as ledger_module
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import Attempt, Currency, Invocation, Lease, PathBudget, UsageRecord, WindowBudget
from pytest_dgbudget.rules.budget import Refused, Wait, decide
from tests.gateway.conversations import terms_fields
from tests.gateway.memory import Carried, ManualClock, MemoryTransport
from tests.gateway.own_dollars import HIGHEST, OWN_PRICES, PricingVendor
from tests.gateway.purse import settings as settings_of
from tests.gateway.purse import update
from tests.support.gateway import asked

SMOKE = "smoke/**"
# The path budget of each.
TESTS = {"test_a": SMOKE, "test_b": SMOKE, "test_c": None, "test_d": None}
ELSEWHERE = "emulated"
RUNS = {"run": True, "other": True, "rehearsal": False}
WHICH = st.integers(0, 11)
TIERS = st.sampled_from(list(OWN_PRICES))
MAYBE_MS = st.none() | st.none() | st.sampled_from([0, 999, 1000]) | st.integers(1000, 15_000)
# The highest price asks 2717 for a second.
MAYBE_MICRO_USD = (
    st.none() | st.sampled_from([0, 1, 2716, 2717]) | st.integers(2717, 20_000) | st.integers(2717, 60_000)
)
Amounts = dict[Currency, int | None]
AMOUNTS = st.builds(lambda ms, micro_usd: {"time": ms, "money": micro_usd}, MAYBE_MS, MAYBE_MICRO_USD)


@dataclass(eq=False)
class Gateway:
    invocation: Invocation
    ledger: Ledger
    connection: SqliteConnection
    attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    leases: dict[str, OpenLease] = field(default_factory=dict)


@dataclass(eq=False)
class Session:
    gateway: Gateway
    lease: OpenLease
    metered: MeteredSession
    client: MemoryTransport
    vendor: PricingVendor


class SharedMoney(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.clock, self.loop = ManualClock(), asyncio.new_event_loop()
        self.began = datetime(2026, 11, 29, 20, tzinfo=timezone.utc) - timedelta(milliseconds=self.clock.now_ms())
        self.gateways: list[Gateway] = []
        self.sessions: list[Session] = []
        self.vendors: dict[str, list[PricingVendor]] = {}
        self.invocations = self.races = 0
        self.closers: list[Callable[[], None]] = [self.loop.close]
        self.patches = ExitStack()
        self.patches.enter_context(patch.object(SqliteConnection, "now", lambda _: self.now))

    def teardown(self) -> None:
        for close in reversed(self.closers):
            close()
        self.patches.close()
        self.folder.cleanup()

    @property
    def now(self) -> datetime:
        return self.began + timedelta(milliseconds=self.clock.now_ms())

    # Gateways come and go ---------------------------------------------------------------------------------------------

    @initialize(test=AMOUNTS, path=AMOUNTS, runs=st.lists(AMOUNTS, min_size=3, max_size=3), day=AMOUNTS, month=AMOUNTS)
    def begin(self, test: Amounts, path: Amounts, runs: list[Amounts], day: Amounts, month: Amounts) -> None:
        self.budgets: dict[str, Amounts] = {"test": test, SMOKE: path, "day": day, "month": month}
        self.budgets |= dict(zip(RUNS, runs, strict=True))
        windows = [
            WindowBudget(period=period, currency=currency, allowed=amount)
            for period in ("day", "month")
            for currency, amount in self.budgets[period].items()
            if amount is not None
        ]
        paths = [PathBudget(glob=SMOKE, run_ms=path["time"], run_micro_usd=path["money"])]
        self.shared = SharedBudgets(windows=windows, paths=paths)
        self.start("run")
        self.file = sqlite3.connect(self.path)
        self.closers.append(self.file.close)

    @precondition(lambda self: len(self.gateways) < 3)
    @rule(run=st.sampled_from(list(RUNS)))
    def start(self, run: str) -> None:
        self.invocations += 1
        invocation = Invocation(
            id=f"i{self.invocations}",
            run=run,
            target="live" if RUNS[run] else "rehearsal",
            billed=RUNS[run],
            tag="tag",
            budget_ms=self.budgets[run]["time"],
            cost_budget_micro_usd=self.budgets[run]["money"],
            host="here",
            pid=1,
        )
        connection = SqliteConnection(self.path, durable=False)
        connection.execute("PRAGMA busy_timeout=0", {})
        self.closers.append(connection.close)
        ledger = Ledger(connection, invocation, HIGHEST, self.shared)
        live = {gateway.invocation.run for gateway in self.gateways}
        ledger.begin(lambda lease: lease.run in live)
        self.gateways.append(Gateway(invocation, ledger, connection))

    @precondition(lambda self: self.gateways)
    @rule(which=WHICH)
    def crash(self, which: int) -> None:
        """Its sockets are closed with it; what it had set aside nobody settles."""
        gateway = self.gateways.pop(which % len(self.gateways))
        for session in [each for each in self.sessions if each.gateway is gateway]:
            self.sessions.remove(session)
            session.vendor.kill()
        for lease in gateway.leases.values():
            lease.sessions.clear()
            lease._set_timers()

    @precondition(lambda self: self.gateways)
    @rule(which=WHICH)
    def finish(self, which: int) -> None:
        gateway = self.gateways.pop(which % len(self.gateways))
        for session in [each for each in self.sessions if each.gateway is gateway]:
            session.vendor.lose()

    # Tests spend ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.gateways)
    @rule(which=WHICH, nodeid=st.sampled_from(list(TESTS)), elsewhere=st.sampled_from([False, False, False, True]))
    def connect(self, which: int, nodeid: str, elsewhere: bool) -> None:
        """Open a session, the first of a test or one more."""
        gateway = self.gateways[which % len(self.gateways)]
        attempt = self._attempt(gateway, nodeid, ELSEWHERE if elsewhere else "")
        lease = gateway.leases.get(attempt.id)
        if lease is None:
            taken = gateway.ledger.lease(attempt)
            if isinstance(taken, Lease):
                self._dial(gateway, attempt, taken)
        elif lease.lacks() is None:
            self._open(gateway, lease)

    @rule(
        nodeids=st.tuples(st.sampled_from(list(TESTS)), st.sampled_from(list(TESTS))), run=st.sampled_from(list(RUNS))
    )
    def connect_while_another_decides(self, nodeids: tuple[str, str], run: str) -> None:
        """Nobody takes a lease between another's decision and its record of it."""
        if len(self.gateways) < 2:
            self.start(run)
        if len(self.gateways) < 2:
            return
        (first, other), self.races = self.gateways[-2:], self.races + 1
        attempt, others = (
            self._attempt(gateway, nodeid, f"gw{self.races}")
            for gateway, nodeid in zip((first, other), nodeids, strict=True)
        )
        found: list[Lease | Wait | Refused | None] = []

        def while_deciding(*of_lease: Any) -> Any:
            decision = decide(*of_lease)
            if not found:
                found.append(None)
                with suppress(LedgerError):
                    found.append(other.ledger.lease(others))
            return decision

        with patch.object(ledger_module, "decide", while_deciding):
            taken = first.ledger.lease(attempt)
        if isinstance(taken, Lease):
            self._dial(first, attempt, taken)
        if isinstance(found[-1], Lease):
            self._dial(other, others, found[-1])

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, tier=TIERS)
    def configure(self, which: int, tier: str) -> None:
        self.sessions[which % len(self.sessions)].client.feed(settings_of(tier))

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, tier=TIERS)
    def change_the_tier(self, which: int, tier: str) -> None:
        self._change(self.sessions[which % len(self.sessions)], tier)

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, late_ms=st.integers(-2, 2), then_ms=st.integers(0, 2000))
    def raise_the_tier_at_the_worst_instant(self, which: int, late_ms: int, then_ms: int) -> None:
        """As late as the dearer one still lasts longer than the margin, or just too late."""
        session = self.sessions[which % len(self.sessions)]
        session.client.feed(settings_of("custom-byo-llm"))  # its first ones count
        self._come_and_go(session)
        lease, price = session.lease, sum(each.micro_usd_per_minute for each in session.lease.sessions)
        dearer = price - session.metered.micro_usd_per_minute + HIGHEST
        left = lease.lease.micro_usd - lease.micro_usd() - lease.meter.margin_ms * dearer // 60_000
        if price and 0 < left * 60_000 // price + late_ms < 20_000:
            self.clock.advance(left * 60_000 // price + late_ms)
        if session in self.sessions:
            self._change(session, "advanced")
            self.clock.advance(then_ms)

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH)
    def close_one(self, which: int) -> None:
        self.sessions[which % len(self.sessions)].vendor.lose()

    # Time passes ------------------------------------------------------------------------------------------------------

    @rule(ms=st.integers(0, 8000))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(early_ms=st.integers(-1000, 3000))
    def midnight_comes(self, early_ms: int) -> None:
        """On the ledger's clock; the third one is the end of a month."""
        midnight = datetime(self.now.year, self.now.month, self.now.day, tzinfo=timezone.utc) + timedelta(days=1)
        self.began += max(timedelta(), midnight - self.now - timedelta(milliseconds=early_ms))

    @rule(which=WHICH)
    def state(self, which: int) -> None:
        """The vendor's statement has how long the sessions of an orphaned lease were."""
        rows = self.file.execute(
            """SELECT lease FROM lease_end WHERE how = 'orphaned' AND lease NOT IN (SELECT lease FROM stated)"""
        ).fetchall()
        if rows and self.gateways:
            ((lease,), ledger) = rows[which % len(rows)], self.gateways[0].ledger
            stated = {lease: sum(vendor.ms for vendor in self.vendors[lease])}
            ledger.record_reconciliation({"verdict": "pending"}, stated)

    # What must hold ---------------------------------------------------------------------------------------------------

    @invariant()
    def i3_no_budget_is_oversold_in_any_currency(self) -> None:
        promised: dict[tuple[str, Currency], int] = {}
        for lease, ms, micro_usd, is_open, scopes in self._leases():
            seen_ms = sum(vendor.ms for vendor in self.vendors[lease])
            seen_micro_usd = sum(vendor.micro_usd for vendor in self.vendors[lease])
            amounts: dict[Currency, int] = {
                "time": ms if is_open else seen_ms,
                "money": micro_usd if is_open else seen_micro_usd,
            }
            assert seen_ms <= ms
            for scope, budget in scopes:
                for currency, amount in amounts.items():
                    promised[scope, currency] = promised.get((scope, currency), 0) + amount
                    allowed = self.budgets[budget][currency]
                    assert allowed is None or promised[scope, currency] <= allowed, (scope, currency)

    @invariant()
    def what_a_ledger_counts_is_what_its_file_has(self) -> None:
        """Whatever of it is kept, or closed; sessions elsewhere, and those that nobody bills, change no window."""
        counted: dict[str, tuple[int, int]] = {}
        for row in self._charges():
            for scope in row["scopes"]:
                ms, micro_usd = counted.get(scope, (0, 0))
                counted[scope] = ms + row["ms"], micro_usd + row["micro_usd"]
        for gateway in self.gateways:
            for attempt in gateway.attempts.values():
                for scope in gateway.ledger.scopes(attempt):
                    ms, micro_usd = counted.get(self._name(gateway, attempt, scope.name, scope.label), (0, 0))
                    assert scope.settled + scope.leased == (ms if scope.currency == "time" else micro_usd)

    # How it is done ---------------------------------------------------------------------------------------------------

    def _attempt(self, gateway: Gateway, nodeid: str, worker: str) -> Attempt:
        if (nodeid, worker) not in gateway.attempts:
            gateway.attempts[nodeid, worker] = gateway.ledger.begin_attempt(
                nodeid,
                worker,
                self.budgets["test"]["time"],
                "emulator" if worker == ELSEWHERE else None,
                TESTS[nodeid],
                self.budgets["test"]["money"],
            )
        return gateway.attempts[nodeid, worker]

    def _dial(self, gateway: Gateway, attempt: Attempt, taken: Lease) -> None:
        async def open_lease() -> OpenLease:
            return OpenLease(Grant(attempt, asked()), taken, None, self.clock, Events(), HIGHEST)

        lease = gateway.leases[attempt.id] = self.loop.run_until_complete(open_lease())
        self.vendors[taken.id] = []
        self._open(gateway, lease)

    def _open(self, gateway: Gateway, lease: OpenLease) -> None:
        self.loop.run_until_complete(self._opened(gateway, lease))

    async def _opened(self, gateway: Gateway, lease: OpenLease) -> None:
        dial = gateway.ledger.record_dial(lease.lease, lease.grant.attempt.target)
        terms = SessionTerms(id=dial, attempt="a", service=DeepgramAgent(), tag="tag", idle_ms=None, **terms_fields())
        client, vendor = MemoryTransport(), PricingVendor(self.clock.now_ms)

        def ended(metered: MeteredSession, record: UsageRecord) -> None:
            self.sessions.remove(session)
            self._record(gateway, lease, metered, record)

        metered = MeteredSession(terms, self.clock, Events(), funds=lease, welcomed=lambda *_: None, ended=ended)
        session = Session(gateway, lease, metered, client, vendor)
        lease.grant.open_sessions.append(metered)
        lease.holders += 1
        self.sessions.append(session)
        self.vendors[lease.lease.id].append(vendor)
        lease.opened(metered)
        answer: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()
        dialling = asyncio.ensure_future(metered.dial(answer))
        await asyncio.sleep(0)
        answer.set_result(Upstream([], None, Carried(vendor)))
        metered.relay(client, await dialling, b"")

    def _record(self, gateway: Gateway, lease: OpenLease, metered: MeteredSession, record: UsageRecord) -> None:
        lease.unrecorded.remove(metered)
        lease.used_micro_usd += record.micro_usd or 0
        lease.holders -= 1
        lease.grant.session_ended(metered, record)
        gateway.ledger.record_usage(record)
        if not lease.holders:
            del gateway.leases[lease.grant.attempt.id]
            gateway.ledger.settle(lease.lease, lease.meter.used_ms, lease.used_micro_usd)

    def _come_and_go(self, session: Session) -> None:
        """One more of the same lease: its end has the deadline computed at the prices of the others."""
        if session in self.sessions and session.lease.lacks() is None:
            self._open(session.gateway, session.lease)
            self.sessions[-1].vendor.lose()

    def _change(self, session: Session, tier: str) -> None:
        """A message that brings a price passes exactly when the money lasts beyond the margin at that price."""
        self.clock.advance(0)  # what is due closes
        spent, before = session.lease.grant.spent, session.vendor.updates
        if not spent.done():
            may_pass = self._affords(session, OWN_PRICES[tier])
            session.client.feed(update(tier))
            assert (session.vendor.updates > before, spent.done()) == (may_pass, not may_pass)

    def _affords(self, session: Session, price: int) -> bool:
        lease = session.lease.lease
        if lease.micro_usd >= ceil(lease.allowance_ms * HIGHEST / 60_000):
            return True
        others = [each.vendor.price for each in self.sessions if each.lease is session.lease and each is not session]
        left = lease.micro_usd - sum(vendor.micro_usd for vendor in self.vendors[lease.id]) - len(others)
        return left * 60_000 // (sum(others) + price) > session.lease.meter.margin_ms

    def _charges(self) -> Iterator[dict[str, Any]]:
        rows = self.file.execute(
            """SELECT lease.id, lease.ms, lease.micro_usd, lease_end.ms, lease_end.micro_usd, stated.ms
               FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
               LEFT JOIN stated ON stated.lease = lease.id"""
        ).fetchall()
        scopes = {lease: [scope for scope, _ in of_lease] for lease, _, _, _, of_lease in self._leases()}
        for lease, ms, micro_usd, ended_ms, ended_micro_usd, stated_ms in rows:
            charged_ms = ms if ended_ms is None else ended_ms
            charged = micro_usd if ended_micro_usd is None else ended_micro_usd
            if stated_ms is not None:
                charged_ms = stated_ms
                # Less was set aside than all of the time may cost: a part of it may have cost as much.
                charged = charged if micro_usd < ceil(ms * HIGHEST / 60_000) else ceil(micro_usd * stated_ms / ms)
            yield {"ms": charged_ms, "micro_usd": charged, "scopes": scopes[lease]}

    def _leases(self) -> Iterator[tuple[str, int, int, bool, list[tuple[str, str]]]]:
        """Yield every lease of the file: what it has set aside, whether it is open, and in which scopes it counts."""
        rows = self.file.execute(
            """SELECT lease.id, lease.ms, lease.micro_usd, lease_end.how, lease.taken_at, lease.run,
                      attempt.invocation, attempt.nodeid, attempt.worker, attempt.target, attempt.path
               FROM lease JOIN attempt ON attempt.id = lease.attempt
               LEFT JOIN lease_end ON lease_end.lease = lease.id ORDER BY lease.number"""
        ).fetchall()
        for lease, ms, micro_usd, how, taken_at, run, invocation, nodeid, worker, target, path in rows:
            scopes = [(f"test {invocation} {nodeid} {worker}", "test")]
            if target is None:
                scopes.append((f"run {run}", run))
                scopes += [(f"path {run}", SMOKE)] if path else []
                scopes += [(f"day {taken_at[:10]}", "day"), (f"month {taken_at[:7]}", "month")] if RUNS[run] else []
            yield lease, ms, micro_usd, how is None, scopes

    def _name(self, gateway: Gateway, attempt: Attempt, scope: str, label: str) -> str:
        run = gateway.invocation.run
        today = self.now.isoformat()
        names = {
            "test": f"test {gateway.invocation.id} {attempt.nodeid} {attempt.worker}",
            "path": f"path {run}",
            "run": f"run {run}",
            "window": f"day {today[:10]}" if label == "day" else f"month {today[:7]}",
        }
        return names[scope]


TestI3SharedMoney = SharedMoney.TestCase
TestI3SharedMoney.settings = settings(stateful_step_count=40)
