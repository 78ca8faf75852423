"""What the machine of money plays with: gateways of one file, the product's leases, vendors with prices."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis.stateful import RuleBasedStateMachine

from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.session_terms import SessionTerms
from pytest_dgbudget.gateway.sessions import MeteredSession
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import Attempt, Currency, Invocation, Lease, PathBudget, UsageRecord, WindowBudget
from tests.gateway.conversations import terms_fields
from tests.gateway.memory import Carried, ManualClock, MemoryTransport
from tests.gateway.own_dollars import HIGHEST, OWN_PRICES, PricingVendor
from tests.gateway.purse import update
from tests.support.gateway import asked

SMOKE = "smoke/**"
# The path budget of each.
TESTS = {"test_a": SMOKE, "test_b": SMOKE, "test_c": None, "test_d": None}
ELSEWHERE = "emulated"
RUNS = {"run": True, "other": True, "rehearsal": False}
Amounts = dict[Currency, int | None]


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


class MoneyWorld(RuleBasedStateMachine):
    """Budgets, gateways and sessions; what is done with them, and what must hold, is for the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.clock, self.loop = ManualClock(), asyncio.new_event_loop()
        self.began = datetime(2026, 11, 29, 20, tzinfo=timezone.utc) - timedelta(milliseconds=self.clock.now_ms())
        self.file: sqlite3.Connection
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

    def share(self, test: Amounts, path: Amounts, runs: list[Amounts], day: Amounts, month: Amounts) -> None:
        """Set the budgets of all that there is."""
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

    def begin_gateway(self, run: str) -> None:
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
        ledger.begin(lambda lease: lease.run in live, lambda run, _: run in live)
        self.gateways.append(Gateway(invocation, ledger, connection))

    def attempt(self, gateway: Gateway, nodeid: str, worker: str) -> Attempt:
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

    def dial(self, gateway: Gateway, attempt: Attempt, taken: Lease) -> None:
        async def open_lease() -> OpenLease:
            return OpenLease(Grant(attempt, asked()), taken, self.clock, Events(), HIGHEST)

        lease = gateway.leases[attempt.id] = self.loop.run_until_complete(open_lease())
        self.vendors[taken.id] = []
        self.open(gateway, lease)

    def open(self, gateway: Gateway, lease: OpenLease) -> None:
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

    def come_and_go(self, session: Session) -> None:
        """One more of the same lease: its end has the deadline computed at the prices of the others."""
        if session in self.sessions and session.lease.lacks() is None:
            self.open(session.gateway, session.lease)
            self.sessions[-1].vendor.lose()

    def change(self, session: Session, tier: str) -> None:
        """A message that brings a price passes exactly when the money lasts beyond the margin at that price."""
        self.clock.advance(0)  # what is due closes
        spent, before = session.lease.grant.spent, session.vendor.updates
        if not spent.done():
            price = OWN_PRICES[tier] if session.vendor.configured else HIGHEST
            may_pass = self._affords(session, price)
            session.client.feed(update(tier))
            assert (session.vendor.updates > before, spent.done()) == (may_pass, not may_pass)

    def _affords(self, session: Session, price: int) -> bool:
        lease = session.lease
        if not self._is_scarce(lease):
            return True
        others = [each.vendor.price for each in self.sessions if each.lease is lease and each is not session]
        return self._money_lasts_ms(lease, [*others, price]) > lease.meter.margin_ms

    def closes_in_ms(self, lease: OpenLease) -> int:
        prices = [each.vendor.price for each in self.sessions if each.lease is lease]
        used_ms = sum(vendor.ms for vendor in self.vendors[lease.lease.id])
        ends_in_ms = (lease.lease.allowance_ms - used_ms) // len(prices)
        if self._is_scarce(lease):
            ends_in_ms = min(ends_in_ms, self._money_lasts_ms(lease, prices))
        return ends_in_ms - lease.meter.margin_ms

    def _is_scarce(self, lease: OpenLease) -> bool:
        return lease.lease.micro_usd < ceil(lease.lease.allowance_ms * HIGHEST / 60_000)

    def _money_lasts_ms(self, lease: OpenLease, prices: list[int]) -> int:
        spent = sum(vendor.micro_usd for vendor in self.vendors[lease.lease.id])
        return (lease.lease.micro_usd - spent - len(prices) + 1) * 60_000 // sum(prices)

    def charges_in_file(self) -> Iterator[dict[str, Any]]:
        rows = self.file.execute(
            """SELECT lease.id, lease.ms, lease.micro_usd, lease_end.ms, lease_end.micro_usd, stated.ms
               FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
               LEFT JOIN stated ON stated.lease = lease.id"""
        ).fetchall()
        scopes = {lease: [scope for scope, _ in of_lease] for lease, _, _, _, of_lease in self.leases_in_file()}
        for lease, ms, micro_usd, ended_ms, ended_micro_usd, stated_ms in rows:
            charged_ms = ms if ended_ms is None else ended_ms
            charged = micro_usd if ended_micro_usd is None else ended_micro_usd
            if stated_ms is not None:
                charged_ms = stated_ms
                # Less was set aside than all of the time may cost: a part of it may have cost as much.
                charged = charged if micro_usd < ceil(ms * HIGHEST / 60_000) else ceil(micro_usd * stated_ms / ms)
            yield {"ms": charged_ms, "micro_usd": charged, "scopes": scopes[lease]}

    def leases_in_file(self) -> Iterator[tuple[str, int, int, bool, list[tuple[str, str]]]]:
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

    def name_of(self, gateway: Gateway, attempt: Attempt, scope: str, label: str) -> str:
        run = gateway.invocation.run
        today = self.now.isoformat()
        names = {
            "test": f"test {gateway.invocation.id} {attempt.nodeid} {attempt.worker}",
            "path": f"path {run}",
            "run": f"run {run}",
            "window": f"day {today[:10]}" if label == "day" else f"month {today[:7]}",
        }
        return names[scope]
