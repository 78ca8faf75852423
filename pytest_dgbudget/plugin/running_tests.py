"""Which test this process is running, for the gateway to ask when a client comes with the process's token."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_dgbudget.control.client import GatewayClient
    from pytest_dgbudget.control.membership import Begin, Told
    from pytest_dgbudget.plugin.state import State
    from pytest_dgbudget.protocol.operations import BeginAttempt, FoundTest, GrantedAttempt

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# Bound before a test can replace it.
_Lock = threading.Lock


class RunningTests:
    """Registered where this process has a token; what it does around each test is all that a run of ours costs."""

    NAME = "dgbudget-running-tests"

    def __init__(self, config: pytest.Config, state: State, token: str) -> None:
        self._config = config
        self._state = state
        self._lock = _Lock()
        self._running: dict[pytest.Item, Future[GrantedAttempt] | None] = {}
        self._has_passed = False
        # The fixtures of a wider scope in whose setup sessions were opened, and for which tests that was.
        self._opened_in_fixtures: dict[tuple[str, str], None] = {}
        self.token = token

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return [name for name in vars(RunningTests) if name.startswith("pytest_")]

    # Called by pytest ----------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        with self._lock:
            self._running[item] = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        try:
            yield
        finally:
            with self._lock:
                attempt = self._running.pop(item, None)
            if attempt is not None:
                self._end(item, attempt)

    def reports(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """A phase of a test has passed, and clients have come to this process."""
        if call.when == "call":
            self._has_passed = call.excinfo is None
        if self._running.get(item) is not None:
            self._judge(item, call)
        if call.excinfo is not None and self._opened_in_fixtures:
            self._tell_of_fixtures(item, call)

    # Called by the fixture -----------------------------------------------------------------------------------------

    def begin(
        self, item: pytest.Item, gateway: GatewayClient, asked: BeginAttempt, told: Told | None
    ) -> GrantedAttempt:
        """Return the attempt of a test, which a client may have begun already."""
        attempt, is_new = self._attempt_of(item)
        if is_new:
            try:
                attempt.set_result(gateway.begin(asked, told))
            except BaseException as error:
                self._forget(item, attempt, error)
        return attempt.result()

    # Called for the gateway, on the I/O thread ---------------------------------------------------------------------

    async def find_running_test(self, begin: Begin) -> FoundTest:
        """Return the attempt of the test that this process is running, begun if need be."""
        from asyncio.futures import wrap_future

        from pytest_dgbudget.protocol.operations import FoundTest

        with self._lock:
            items = list(self._running)
        if len(items) != 1:
            return FoundTest(attempt=None, several=len(items) > 1)
        (item,) = items
        if not self._config.pluginmanager.has_plugin(_Reports.NAME):
            # From this thread: pytest calls copies of the lists that this changes.
            self._config.pluginmanager.register(_Reports(self), _Reports.NAME)
        fixture = fixture_being_set_up()
        if fixture is not None:
            self._opened_in_fixtures[fixture, item.nodeid] = None
        attempt, is_new = self._attempt_of(item)
        if is_new:
            try:
                attempt.set_result(await begin(*self._asked(item)))
            except BaseException as error:
                self._forget(item, attempt, error)
        return FoundTest(attempt=(await wrap_future(attempt)).id, several=False)

    def _asked(self, item: pytest.Item) -> tuple[BeginAttempt, Told | None]:
        from pytest_dgbudget.plugin.attempts import asked_for, listener_of

        told = listener_of(item, self._state)
        return asked_for(item, self._state, notify=told is not None), told

    def _attempt_of(self, item: pytest.Item) -> tuple[Future[GrantedAttempt], bool]:
        """Return the attempt of a test that is running, and whether the caller is to begin it."""
        from concurrent.futures import Future

        with self._lock:
            attempt = self._running.get(item)
            if attempt is not None:
                return attempt, False
            attempt = Future()
            if item in self._running:
                self._running[item] = attempt
            return attempt, True

    def _forget(self, item: pytest.Item, attempt: Future[Any], error: BaseException) -> None:
        """It could not be begun: who asks next tries again."""
        with self._lock:
            if self._running.get(item) is attempt:
                self._running[item] = None
        attempt.set_exception(error)

    def _tell_of_fixtures(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """A test may have failed because it counted on a session that ended with an earlier one."""
        from pytest_dgbudget.plugin.accounting import accounting_of

        closed = accounting_of(self._config).closed_sessions_of
        for fixture, nodeid in self._opened_in_fixtures:
            if nodeid != item.nodeid and nodeid in closed:
                item.add_report_section(call.when, "dgbudget", _closed_with(fixture, nodeid))

    # The end of a test whose attempt a client began ----------------------------------------------------------------

    def _judge(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Have the attempt accounted for; the hooks that do so have missed what has passed of this test."""
        attempt = self._running[item]
        if attempt is None or not attempt.done() or attempt.exception() is not None:
            return
        from pytest_dgbudget.plugin.accounting import accounting_of

        accounting_of(self._config).take_in(item, attempt.result(), call)

    def _end(self, item: pytest.Item, attempt: Future[GrantedAttempt]) -> None:
        from pytest_dgbudget.errors import DgBudgetError
        from pytest_dgbudget.plugin.accounting import accounting_of

        try:
            granted = attempt.result()
        except DgBudgetError:
            return  # Its client was told.
        accounting_of(self._config).end_late(item, granted, "passed" if self._has_passed else None)


class _Reports:
    """Registered when the first client comes: until then, no phase of a test is looked at."""

    NAME = "dgbudget-reports"

    def __init__(self, running: RunningTests) -> None:
        self._running = running

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return ["pytest_runtest_makereport"]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        from pytest_dgbudget.plugin.accounting import accounting_of
        from pytest_dgbudget.plugin.failure_place import place_at_test

        self._running.reports(item, call)
        report = yield
        place_at_test(report, item, call.excinfo)
        accounting_of(item.config).phase_ended(item, report)
        return report


def fixture_being_set_up() -> str | None:
    """Return the name of the fixture of a wider scope that the main thread is setting up, if it is.

    pytest has no public way to learn that from another thread: its own frames have it.
    """
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        fixture = frame.f_locals.get("fixturedef") if frame.f_code.co_name == "pytest_fixture_setup" else None
        if fixture is not None and fixture.scope != "function":
            return str(fixture.argname)
        frame = frame.f_back
    return None


def _closed_with(fixture: str, nodeid: str) -> str:
    return (
        f"the session opened by fixture {fixture} in test {nodeid} was closed when {nodeid} ended: a session belongs "
        "to one test; open one per test"
    )


def running_tests_of(config: pytest.Config) -> RunningTests | None:
    """Return what knows which test this process is running; None where it has no token."""
    plugin: RunningTests | None = config.pluginmanager.get_plugin(RunningTests.NAME)
    return plugin
