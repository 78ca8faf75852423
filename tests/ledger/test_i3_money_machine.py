"""I3 in both currencies: runs, paths and windows of one file, over midnights and ends of months.

Leases are the product's, with sessions that are relayed to vendors in memory; these price what reached them by
themselves. What is promised is read from the file: what an open lease has set aside, and what the vendors saw of those
that have ended.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger import ledger as ledger_module
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import Currency, Lease
from pytest_dgbudget.rules.budget import Refused, decide
from tests.gateway.own_dollars import HIGHEST, OWN_PRICES
from tests.gateway.purse import settings as settings_of
from tests.ledger.money_world import ELSEWHERE, RUNS, TESTS, Amounts, MoneyWorld

WHICH = st.integers(0, 11)
TIERS = st.sampled_from(list(OWN_PRICES))
MAYBE_MS = st.none() | st.none() | st.sampled_from([0, 999, 1000]) | st.integers(1000, 15_000)
# The highest price asks 2717 for a second.
MAYBE_MICRO_USD = (
    st.none() | st.sampled_from([0, 1, 2716, 2717]) | st.integers(2717, 20_000) | st.integers(2717, 60_000)
)
AMOUNTS = st.builds(lambda ms, micro_usd: {"time": ms, "money": micro_usd}, MAYBE_MS, MAYBE_MICRO_USD)


class SharedMoney(MoneyWorld):
    # Gateways come and go ---------------------------------------------------------------------------------------------

    @initialize(test=AMOUNTS, path=AMOUNTS, runs=st.lists(AMOUNTS, min_size=3, max_size=3), day=AMOUNTS, month=AMOUNTS)
    def begin(self, test: Amounts, path: Amounts, runs: list[Amounts], day: Amounts, month: Amounts) -> None:
        self.share(test, path, runs, day, month)
        self.start("run")
        self.file = sqlite3.connect(self.path)
        self.closers.append(self.file.close)

    @precondition(lambda self: len(self.gateways) < 3)
    @rule(run=st.sampled_from(list(RUNS)))
    def start(self, run: str) -> None:
        self.begin_gateway(run)

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
        attempt = self.attempt(gateway, nodeid, ELSEWHERE if elsewhere else "")
        lease = gateway.leases.get(attempt.id)
        if lease is None:
            taken = gateway.ledger.lease(attempt)
            if isinstance(taken, Lease):
                self.dial(gateway, attempt, taken)
        elif lease.lacks() is None:
            self.open(gateway, lease)

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
            self.attempt(gateway, nodeid, f"gw{self.races}")
            for gateway, nodeid in zip((first, other), nodeids, strict=True)
        )
        found: list[Lease | Queued | Refused | None] = []

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
            self.dial(first, attempt, taken)
        if isinstance(found[-1], Lease):
            self.dial(other, others, found[-1])

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, tier=TIERS)
    def configure(self, which: int, tier: str) -> None:
        self.sessions[which % len(self.sessions)].client.feed(settings_of(tier))

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, tier=TIERS)
    def change_the_tier(self, which: int, tier: str) -> None:
        self.change(self.sessions[which % len(self.sessions)], tier)

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, late_ms=st.integers(-2, 2))
    def raise_the_tier_at_the_worst_instant(self, which: int, late_ms: int) -> None:
        """As late as the dearer one still lasts longer than the margin, or just too late."""
        session = self.sessions[which % len(self.sessions)]
        session.client.feed(settings_of("custom-byo-llm"))  # its first ones count
        self.come_and_go(session)
        lease, price = session.lease, sum(each.micro_usd_per_minute for each in session.lease.sessions)
        dearer = price - session.metered.micro_usd_per_minute + HIGHEST
        left = lease.lease.micro_usd - lease.micro_usd() - lease.meter.margin_ms * dearer // 60_000
        if price and 0 < left * 60_000 // price + late_ms < 20_000:
            self.clock.advance(left * 60_000 // price + late_ms)
        if session in self.sessions:
            self.change(session, "advanced")

    @precondition(lambda self: self.sessions)
    @rule(which=WHICH, tier=TIERS)
    def wait_for_the_close(self, which: int, tier: str) -> None:
        """It comes at the deadline by the prices that its sessions have by then, no earlier and no later."""
        session = self.sessions[which % len(self.sessions)]
        session.client.feed(settings_of(tier))
        self.clock.advance(0)
        if not session.lease.grant.spent.done():
            closes_in_ms = self.closes_in_ms(session.lease)
            self.clock.advance(max(0, closes_in_ms - 5))
            assert session.lease.grant.spent.done() == (closes_in_ms <= 0)
            self.clock.advance(6)
            assert session.lease.grant.spent.done()

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
        for lease, ms, micro_usd, is_open, scopes in self.leases_in_file():
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
        for row in self.charges_in_file():
            for scope in row["scopes"]:
                ms, micro_usd = counted.get(scope, (0, 0))
                counted[scope] = ms + row["ms"], micro_usd + row["micro_usd"]
        for gateway in self.gateways:
            for attempt in gateway.attempts.values():
                for scope in gateway.ledger.scopes(attempt):
                    ms, micro_usd = counted.get(self.name_of(gateway, attempt, scope.name, scope.label), (0, 0))
                    assert scope.settled + scope.leased == (ms if scope.currency == "time" else micro_usd)


TestI3SharedMoney = SharedMoney.TestCase
TestI3SharedMoney.settings = settings(stateful_step_count=40)
