"""Tests that share a run: whatever they do, in whatever order, no budget is ever promised twice, in any currency.

Money is reckoned here in sixty-thousandths of a millionth of a dollar (a price a minute times milliseconds), exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_dgbudget.model import Currency, ScopeName
from pytest_dgbudget.rules.budget import Granted, Refused, Scope, Wait, decide
from pytest_dgbudget.rules.meter import LeaseMeter, money_lasts_ms

BUDGETS_MS = st.integers(0, 20_000)
# Of which the highest price pays for up to about twenty seconds.
BUDGETS_MICRO_USD = st.integers(0, 55_000)
TESTS = st.integers(0, 3)
HIGHEST = 163_003
# None is a multiple of another; one is free.
PRICES = st.sampled_from([HIGHEST, 75_011, 50_021, 1, 0])


@dataclass
class Session:
    """At the highest price until its Settings pass; ``spent`` is what it costs at all prices before this one."""

    dialled_ms: int
    since_ms: int
    price: int = HIGHEST
    spent: int = 0
    configured: bool = False

    def costs(self, at_ms: int) -> int:
        return ceil((self.spent + (at_ms - self.since_ms) * self.price) / 60_000)

    def configure(self, price: int) -> None:
        """Settings set the price from the dial on."""
        self.since_ms, self.spent, self.price, self.configured = self.dialled_ms, 0, price, True

    def update(self, price: int, at_ms: int) -> None:
        self.spent += (at_ms - self.since_ms) * self.price
        self.since_ms, self.price = at_ms, price


@dataclass
class Held:
    """A lease: its meter, and what its sessions cost."""

    granted: Granted
    meter: LeaseMeter
    sessions: list[Session] = field(default_factory=list)
    closed_micro_usd: int = 0

    def cost(self, at_ms: int) -> int:
        return self.closed_micro_usd + sum(session.costs(at_ms) for session in self.sessions)

    def money_ends_ms(self, at_ms: int) -> int | None:
        if self.granted.money is None:
            return None
        left = self.granted.micro_usd - self.cost(at_ms)
        lasts_ms = money_lasts_ms(left, [session.price for session in self.sessions])
        return None if lasts_ms is None else at_ms + lasts_ms

    def close(self, session: Session, at_ms: int) -> None:
        self.closed_micro_usd += session.costs(at_ms)
        self.sessions.remove(session)
        self.meter.closed(at_ms)


@dataclass
class Spender:
    """One test: its budgets, what it has settled, and the lease that it holds."""

    budget_ms: int | None
    budget_micro_usd: int | None
    settled_ms: int = 0
    settled_micro_usd: int = 0
    held: Held | None = None

    @property
    def leased_ms(self) -> int:
        return self.held.granted.allowance_ms if self.held else 0

    @property
    def leased_micro_usd(self) -> int:
        return self.held.granted.micro_usd if self.held else 0

    def settle(self) -> None:
        assert self.held is not None
        assert self.held.meter.used_ms <= self.leased_ms
        if self.held.granted.money is not None:
            assert self.held.closed_micro_usd <= self.leased_micro_usd
        self.settled_ms += self.held.meter.used_ms
        self.settled_micro_usd += self.held.closed_micro_usd
        self.held = None


class SharedRun(RuleBasedStateMachine):
    """Plays the gateway on time: what is still open at the abort is closed there."""

    @initialize(
        run_ms=st.none() | BUDGETS_MS,
        run_micro_usd=st.none() | BUDGETS_MICRO_USD,
        day_micro_usd=st.none() | BUDGETS_MICRO_USD,
        path_ms=st.none() | BUDGETS_MS,
        tests=st.lists(st.tuples(st.none() | BUDGETS_MS, st.none() | BUDGETS_MICRO_USD), min_size=4, max_size=4),
    )
    def begin(
        self,
        run_ms: int | None,
        run_micro_usd: int | None,
        day_micro_usd: int | None,
        path_ms: int | None,
        tests: list[tuple[int | None, int | None]],
    ) -> None:
        self.now_ms = 1_000_000
        self.run_ms, self.run_micro_usd, self.day_micro_usd, self.path_ms = (
            run_ms,
            run_micro_usd,
            day_micro_usd,
            path_ms,
        )
        self.tests = [Spender(*budgets) for budgets in tests]

    @rule(number=TESTS)
    def connect(self, number: int) -> None:
        test = self.tests[number]
        if test.held is None:
            decision = decide(self.scopes(test), HIGHEST)
            if isinstance(decision, (Wait, Refused)):
                return
            money_ms = None if decision.money is None else money_lasts_ms(decision.micro_usd, [HIGHEST])
            test.held = Held(decision, LeaseMeter(allowance_ms=decision.allowance_ms, money_ms=money_ms))
        test.held.meter.opened(self.now_ms)
        test.held.sessions.append(Session(self.now_ms, self.now_ms))
        self.cut(self.now_ms)

    @rule(number=TESTS, which=st.integers(0, 5), price=PRICES)
    def configure(self, number: int, which: int, price: int) -> None:
        held = self.tests[number].held
        unconfigured = [session for session in held.sessions if not session.configured] if held else []
        if unconfigured:
            unconfigured[which % len(unconfigured)].configure(price)
            self.cut(self.now_ms)

    @rule(number=TESTS, which=st.integers(0, 5), price=PRICES)
    def update(self, number: int, which: int, price: int) -> None:
        """A message that would have all closed at once does not pass."""
        held = self.tests[number].held
        configured = [session for session in held.sessions if session.configured] if held else []
        if held is not None and configured:
            self.change(self.tests[number], held, configured[which % len(configured)], price)

    @precondition(lambda self: any(test.held for test in self.tests))
    @rule(which=st.integers(0, 5), price=PRICES, margin_ms=st.integers(-1, 2))
    def update_at_the_worst_instant(self, which: int, price: int, margin_ms: int) -> None:
        """Just when a dearer price lasts no longer than the margin, or a little before or after."""
        test = next(test for test in self.tests if test.held)
        held = test.held
        assert held is not None
        session = held.sessions[which % len(held.sessions)]
        at_ms = self.now_ms
        while held.granted.money is not None and at_ms < self.now_ms + 20_000:
            ends_ms = self.ends_at(held, session, price, at_ms)
            if ends_ms is None or ends_ms - held.meter.margin_ms <= at_ms:
                break
            at_ms += max(1, (ends_ms - at_ms - held.meter.margin_ms) // 8)
        self.time_passes(max(0, at_ms + margin_ms - self.now_ms))
        if test.held is held and session in held.sessions and session.configured:
            self.change(test, held, session, price)

    def ends_at(self, held: Held, changed: Session, price: int, at_ms: int) -> int | None:
        others = [session.price for session in held.sessions if session is not changed]
        lasts_ms = money_lasts_ms(held.granted.micro_usd - held.cost(at_ms), [*others, price])
        return None if lasts_ms is None else at_ms + lasts_ms

    def change(self, test: Spender, held: Held, session: Session, price: int) -> None:
        ends_ms = None if held.granted.money is None else self.ends_at(held, session, price, self.now_ms)
        if ends_ms is not None and ends_ms - held.meter.margin_ms <= self.now_ms:
            self.close_all(test, self.now_ms)
        else:
            session.update(price, self.now_ms)

    @rule(number=TESTS)
    def close_one(self, number: int) -> None:
        test = self.tests[number]
        if test.held is not None:
            test.held.close(test.held.sessions[0], self.now_ms)
            if not test.held.sessions:
                test.settle()

    @rule(passed_ms=st.integers(0, 8000))
    def time_passes(self, passed_ms: int) -> None:
        until_ms = self.now_ms + passed_ms
        self.cut(until_ms)
        self.now_ms = until_ms

    def cut(self, until_ms: int) -> None:
        for test in self.tests:
            if test.held is not None:
                abort_ms = test.held.meter.abort_ms(test.held.money_ends_ms(self.now_ms))
                if abort_ms <= until_ms:
                    self.close_all(test, max(self.now_ms, abort_ms))

    def close_all(self, test: Spender, at_ms: int) -> None:
        assert test.held is not None
        for session in list(test.held.sessions):
            test.held.close(session, at_ms)
        test.settle()

    @rule(number=TESTS)
    def alone_nobody_waits(self, number: int) -> None:
        if not any(test.held for test in self.tests):
            assert isinstance(decide(self.scopes(self.tests[number]), HIGHEST), (Granted, Refused))

    @invariant()
    def no_budget_is_promised_twice(self) -> None:
        for test in self.tests:
            for scope in self.scopes(test):
                assert scope.settled + scope.leased <= scope.allowed

    def scopes(self, test: Spender) -> list[Scope]:
        together = self.tests
        wanted: list[tuple[ScopeName, Currency, int | None, list[Spender]]] = [
            ("test", "time", test.budget_ms, [test]),
            ("test", "money", test.budget_micro_usd, [test]),
            ("path", "time", self.path_ms, together[:2] if test in together[:2] else []),
            ("run", "time", self.run_ms, together),
            ("run", "money", self.run_micro_usd, together),
            ("window", "money", self.day_micro_usd, together),
        ]
        return [
            _scope(name, currency, allowed, of_scope)
            for name, currency, allowed, of_scope in wanted
            if allowed is not None and of_scope
        ]


def _scope(name: ScopeName, currency: Currency, allowed: int, tests: list[Spender]) -> Scope:
    of_time = currency == "time"
    return Scope(
        name=name,
        currency=currency,
        allowed=allowed,
        settled=sum(test.settled_ms if of_time else test.settled_micro_usd for test in tests),
        leased=sum(test.leased_ms if of_time else test.leased_micro_usd for test in tests),
    )


SharedRun.TestCase.settings = settings(stateful_step_count=40)
TestSharedRun = SharedRun.TestCase
