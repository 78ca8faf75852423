"""Tests that share a run: whatever they do, in whatever order, no budget is ever promised twice."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pytest_dgbudget.rules.budget import Granted, Refused, Scope, Wait, decide
from pytest_dgbudget.rules.meter import LeaseMeter

BUDGETS_MS = st.integers(0, 20_000)
TESTS = st.integers(0, 3)


@dataclass
class Spender:
    """One test: what it has settled, and the meter of the lease that it holds."""

    budget_ms: int | None
    settled_ms: int = 0
    lease: LeaseMeter | None = None

    @property
    def leased_ms(self) -> int:
        return self.lease.allowance_ms if self.lease else 0

    def settle(self) -> None:
        assert self.lease is not None
        assert self.lease.used_ms <= self.lease.allowance_ms
        self.settled_ms += self.lease.used_ms
        self.lease = None


class SharedRun(RuleBasedStateMachine):
    """Plays the gateway on time: what is still open at the abort is closed there."""

    @initialize(run_ms=BUDGETS_MS, tests_ms=st.lists(st.none() | BUDGETS_MS, min_size=4, max_size=4))
    def begin(self, run_ms: int, tests_ms: list[int | None]) -> None:
        self.now_ms = 1_000_000
        self.run_ms = run_ms
        self.tests = [Spender(budget_ms) for budget_ms in tests_ms]

    @rule(number=TESTS)
    def connect(self, number: int) -> None:
        test = self.tests[number]
        if test.lease is None:
            decision = decide(self.scopes(test), 0)
            if isinstance(decision, (Wait, Refused)):
                return
            test.lease = LeaseMeter(allowance_ms=decision.allowance_ms)
        test.lease.opened(self.now_ms)

    @rule(number=TESTS)
    def close_one(self, number: int) -> None:
        test = self.tests[number]
        if test.lease is not None:
            test.lease.closed(self.now_ms)
            if not test.lease.open_sessions:
                test.settle()

    @rule(passed_ms=st.integers(0, 8000))
    def time_passes(self, passed_ms: int) -> None:
        until_ms = self.now_ms + passed_ms
        for test in self.tests:
            if test.lease is not None and test.lease.abort_ms() <= until_ms:
                at_ms = max(self.now_ms, test.lease.abort_ms())
                while test.lease.open_sessions:
                    test.lease.closed(at_ms)
                test.settle()
        self.now_ms = until_ms

    @rule(number=TESTS)
    def alone_nobody_waits(self, number: int) -> None:
        if not any(test.lease for test in self.tests):
            assert isinstance(decide(self.scopes(self.tests[number]), 0), (Granted, Refused))

    @invariant()
    def no_budget_is_promised_twice(self) -> None:
        for test in self.tests:
            if test.budget_ms is not None:
                assert test.settled_ms + test.leased_ms <= test.budget_ms
        assert self.settled_ms + self.leased_ms <= self.run_ms

    @property
    def settled_ms(self) -> int:
        return sum(test.settled_ms for test in self.tests)

    @property
    def leased_ms(self) -> int:
        return sum(test.leased_ms for test in self.tests)

    def scopes(self, test: Spender) -> list[Scope]:
        run = Scope(name="run", allowed=self.run_ms, settled=self.settled_ms, leased=self.leased_ms)
        if test.budget_ms is None:
            return [run]
        own = Scope(name="test", allowed=test.budget_ms, settled=test.settled_ms, leased=test.leased_ms)
        return [own, run]


SharedRun.TestCase.settings = settings(stateful_step_count=40)
TestSharedRun = SharedRun.TestCase
