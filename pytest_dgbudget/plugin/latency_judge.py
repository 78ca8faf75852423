"""Fails tests whose turns were slower than their ``dg_latency`` allows; registered where a test has that marker."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pytest_dgbudget.errors import DgBudgetError, SettingsError
from pytest_dgbudget.model import SessionTurns
from pytest_dgbudget.plugin.accounting import ACCOUNTING
from pytest_dgbudget.plugin.attempt import RunningTest
from pytest_dgbudget.plugin.ended_with import ENDS_THE_RUN, NO_FAILURE, ended_with, kept_by_testcase
from pytest_dgbudget.plugin.failure_place import place_at_test
from pytest_dgbudget.plugin.markers import own_latency_limits, own_pace, own_target
from pytest_dgbudget.plugin.state import State
from pytest_dgbudget.protocol.operations import GetSessionTurns
from pytest_dgbudget.rules.latency_limits import LatencyLimits, find_slowness, latency_error

_NOT_JUDGED = (
    "dg_latency is not judged at pace max, at which the emulator's agent does not wait; to have it judged, add "
    '@pytest.mark.dg_scenario(pace="vendor")'
)
_REPLAYED = "dg_latency is not judged in a replay, whose answers come as they were recorded"


@dataclass(slots=True)
class _Attempt:
    """What is known of an attempt of a test so far.

    ``is_running``: its body is; ``passed``: its body did; ``told``: its report has its latency.
    """

    is_running: bool = False
    passed: bool = False
    has_failed: bool = False
    told: bool = False


class LatencyJudge:
    """Judges a test by all turns that are answered or over, when its body has ended, and once more at its end.

    It does so where reports are made: whatever else fails the test does so first, and clients that came without the
    fixture are known by then.
    """

    NAME = "dgbudget-latency"

    def __init__(self, state: State) -> None:
        self._state = state
        self._attempts: dict[str, _Attempt] = {}

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return ["pytest_runtest_call", "pytest_runtest_makereport"]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Note that the body runs: a report that is made meanwhile is a subtest's."""
        attempt = self._attempts.setdefault(item.nodeid, _Attempt())
        attempt.is_running = True
        try:
            return (yield)
        finally:
            attempt.is_running = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        limits = _limits_of(item)
        if limits is not None and self._state.finished is None:
            self._phase_ended(item, call, limits)
        report = yield
        place_at_test(report, item, call.excinfo)
        return report

    def _phase_ended(self, item: pytest.Item, call: pytest.CallInfo[None], limits: LatencyLimits) -> None:
        if call.when == "setup":
            self._attempts[item.nodeid] = _Attempt()
        raised = ended_with(item, None if call.excinfo is None else call.excinfo.value)
        attempt = self._attempts.setdefault(item.nodeid, _Attempt())
        attempt.has_failed |= raised is not None and not isinstance(raised, NO_FAILURE)
        if attempt.is_running or isinstance(raised, ENDS_THE_RUN):
            return
        attempt.passed |= call.when == "call" and not attempt.has_failed and raised is None
        if attempt.told or (call.when == "setup" and raised is None):
            return
        if not self._is_judged(item):
            attempt.told = True
            replayed = own_target(item, self._state.run_config) == "replay"
            item.add_report_section(call.when, "dgbudget", _REPLAYED if replayed else _NOT_JUDGED)
            return
        error = self._error(item, limits if attempt.passed else replace(limits, turns=0))
        if error is not None:
            attempt.told = True
            self._tell(item, call, error, raised, has_failed=attempt.has_failed)

    def _is_judged(self, item: pytest.Item) -> bool:
        config = self._state.run_config
        target = own_target(item, config)
        return target == "live" or (target == "emulator" and own_pace(item, config) == "vendor")

    def _error(self, item: pytest.Item, limits: LatencyLimits) -> DgBudgetError | None:
        """Return why the test fails; also where its turns can't be learned."""
        accounting: Any = item.config.pluginmanager.get_plugin(ACCOUNTING)
        running = None if accounting is None else accounting.running_here(item.nodeid)
        if running is None and self._state.is_forked:
            return None
        try:
            sessions = self._turns(running)
        except DgBudgetError as error:
            return error
        slowness = find_slowness(sessions, limits)
        return None if slowness is None else latency_error(slowness, sessions)

    def _turns(self, running: RunningTest | None) -> Sequence[SessionTurns]:
        if running is None:
            return ()
        return self._state.on_demand().open().gateway.ask(GetSessionTurns(attempt=running.attempt.id))

    @staticmethod
    def _tell(
        item: pytest.Item,
        call: pytest.CallInfo[None],
        error: DgBudgetError,
        raised: BaseException | None,
        *,
        has_failed: bool,
    ) -> None:
        """Fail the phase, or add a section to the report of a test that has failed already."""
        if has_failed:
            if type(raised) is not type(error):
                item.add_report_section(call.when, "dgbudget", str(error))
            return
        kept_by_testcase(item).clear()
        call.excinfo = _raised(error, raised)


def _limits_of(item: pytest.Item) -> LatencyLimits | None:
    try:
        return own_latency_limits(item)
    except SettingsError:
        return None  # Its setup fails for that.


def _raised(error: DgBudgetError, cause: BaseException | None) -> pytest.ExceptionInfo[BaseException]:
    __tracebackhide__ = True
    try:
        raise error from cause
    except DgBudgetError as caught:
        return pytest.ExceptionInfo.from_exception(caught)
