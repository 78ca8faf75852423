"""The hooks around tests that use ``voice_agent``, registered for the first one: other projects don't pay for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from functools import partial
from os import getpid
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dgbudget.control.on_demand import RunOnDemand
from pytest_dgbudget.errors import DgBudgetError, GatewayError
from pytest_dgbudget.model import Outcome
from pytest_dgbudget.plugin.artifacts import TestArtifacts
from pytest_dgbudget.plugin.attempt import RunningTest
from pytest_dgbudget.plugin.ended_with import ENDS_THE_RUN, ended_with, kept_by_testcase
from pytest_dgbudget.plugin.failure_place import place_at_test
from pytest_dgbudget.plugin.junit import attempt_properties, without_ours
from pytest_dgbudget.plugin.scrub_hook import scrubber_of
from pytest_dgbudget.plugin.state import STATE, State
from pytest_dgbudget.plugin.verdict_judge import Phase, VerdictJudge
from pytest_dgbudget.protocol.operations import GetVerdict, GrantedAttempt, RecordOutcome
from pytest_dgbudget.rules.attempts import unknown_figures

if TYPE_CHECKING:
    from pytest_dgbudget.plugin.cassettes import TestCassettes
    from pytest_dgbudget.report.artifacts import Scrub

ACCOUNTING = "dgbudget-accounting"


def accounting_of(config: pytest.Config) -> Accounting:
    """Return this process's accounting; the first call registers it."""
    plugin = config.pluginmanager.get_plugin(ACCOUNTING)
    if plugin is None:
        state = config.stash[STATE]
        scrub = scrubber_of(config)
        artifacts = TestArtifacts(state.run_config, config.rootpath, scrub)
        plugin = Accounting(state, state.on_demand(), artifacts, _cassettes(config, state, scrub))
        config.pluginmanager.register(plugin, ACCOUNTING)
    accounting: Accounting = plugin
    return accounting


def _cassettes(config: pytest.Config, state: State, scrub: Scrub | None) -> TestCassettes | None:
    if not state.run_config.records:
        return None
    from pytest_dgbudget.plugin.cassettes import TestCassettes, gather_cassettes

    gather_cassettes(config)
    return TestCassettes(state.run_config, config.rootpath, scrub)


class Accounting:
    """Asks the gateway after each test body for overruns, and reports the test's outcome to it."""

    def __init__(
        self, state: State, run: RunOnDemand, artifacts: TestArtifacts, cassettes: TestCassettes | None
    ) -> None:
        self._state = state
        self._run = run
        self._artifacts = artifacts
        self._cassettes = cassettes
        self._verdict_judge = VerdictJudge(state.run_config)
        self._running: dict[str, RunningTest] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._in_call: set[str] = set()
        # The tests whose ends closed sessions.
        self.closed_sessions_of: set[str] = set()

    # Called by the fixture -----------------------------------------------------------------------------------------

    def begin(
        self,
        item: pytest.Item,
        attempt: GrantedAttempt,
        finish: Callable[[], object],
        expects_clients: Callable[[], bool] = bool,
    ) -> None:
        """``expects_clients`` returns whether the test has asked for its endpoint by then."""
        self._running[item.nodeid] = RunningTest(attempt, get_ident(), finish, expects_clients=expects_clients)
        self._outcomes.pop(item.nodeid, None)

    def take_in(self, item: pytest.Item, attempt: GrantedAttempt, call: pytest.CallInfo[None]) -> None:
        """Account for an attempt that a client began, and judge the phase that has just passed."""
        __tracebackhide__ = True
        running = self._running.get(item.nodeid)
        if running is not None and running.attempt is attempt:
            return
        self.begin(item, attempt, partial(self.end, item))
        raised = None if call.excinfo is None else call.excinfo.value
        if isinstance(raised, ENDS_THE_RUN) or (call.when == "setup" and raised is None):
            return
        try:
            self._judge_call(item, raised) if call.when == "call" else self._judge(item, raised, call.when)
        except (DgBudgetError, pytest.skip.Exception) as error:
            call.excinfo = pytest.ExceptionInfo.from_exception(error)

    def end_late(self, item: pytest.Item, attempt: GrantedAttempt, outcome: Outcome | None) -> None:
        """End an attempt that a client began in the test's teardown; others end as usual.

        ``outcome`` is the test's up to now, as far as it is known.
        """
        running = self._running.get(item.nodeid)
        if running is None or running.attempt is not attempt:
            self.begin(item, attempt, partial(self.end, item))
            if outcome is not None:
                self._outcomes[item.nodeid] = outcome
            self.end(item)

    def end(self, item: pytest.Item) -> None:
        """Close everything of the attempt; raises the error for what the test has not failed for yet."""
        __tracebackhide__ = True
        running = self._running[item.nodeid]
        running.finish = None
        if self._state.finished is not None or running.process != getpid():
            return  # After Ctrl-C the run's end closed everything before this teardown.
        self._set_properties(item, unknown_figures(running.attempt.number, running.attempt.budget_seconds))
        gateway_lost = True
        try:
            ended = self._run.open().gateway.end(running.attempt.id, expects_clients=running.expects_clients())
            self._set_properties(item, ended.figures)
            running.sessions = ended.figures["sessions"]
            gateway_lost = ended.verdict.gateway_lost is not None
            if ended.verdict.gateway_lost is not None:
                raise GatewayError(ended.verdict.gateway_lost)
        except DgBudgetError:
            if running.gateway_lost:
                return  # The test has failed for it already.
            raise
        finally:
            if self._state.hook_calls is not None:
                self._state.hook_calls.test_ended(item, running.attempt.id, gateway_lost=gateway_lost)
        if ended.leaked:
            self.closed_sessions_of.add(item.nodeid)
        phase = Phase(item, running, "teardown", None, self._outcomes.get(item.nodeid))
        self._verdict_judge.judge_end(phase, ended)

    def _set_properties(self, item: pytest.Item, figures: Mapping[str, Any]) -> None:
        item.user_properties = [*without_ours(item.user_properties), *attempt_properties(figures)]

    # Called by pytest ----------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        __tracebackhide__ = True
        self._end_earlier_tests()
        self._running.pop(item.nodeid, None)  # of an attempt before this one
        # A rerun still has the previous attempt's properties, and may report before it gets its own.
        item.user_properties = without_ours(item.user_properties)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, ENDS_THE_RUN):
                self._judge(item, error, "setup")
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        __tracebackhide__ = True
        self._in_call.add(item.nodeid)
        raised: BaseException | None = None
        try:
            yield
        except BaseException as error:
            if isinstance(error, ENDS_THE_RUN):
                raise
            raised = error
        self._judge_call(item, raised)
        if raised is not None:
            raise raised

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Judge a call that had begun before these hooks were registered: it asked for the fixture in its body."""
        if call.when == "call" and item.nodeid not in self._in_call:
            raised = None if call.excinfo is None else call.excinfo.value
            if not isinstance(raised, ENDS_THE_RUN):
                try:
                    self._judge_call(item, raised)
                except (DgBudgetError, pytest.skip.Exception) as error:
                    call.excinfo = pytest.ExceptionInfo.from_exception(error)
        self._in_call.discard(item.nodeid)
        report = yield
        place_at_test(report, item, call.excinfo)
        self.phase_ended(item, report)
        return report

    def phase_ended(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Make of what was recorded what becomes of it, as far as that is decided by now."""
        running = self.running_here(item.nodeid)
        if running is None or self._run.run is None or self._state.finished is not None:
            return
        if not running.takes_in(report, self._outcomes.get(item.nodeid)):
            return
        gateway = self._run.run.gateway
        has_passed = report.when == "teardown" and report.passed and running.has_passed and not running.has_failed
        if has_passed and self._cassettes is not None:
            self._cassettes.test_passed(gateway, running, item, report)
        self._artifacts.phase_ended(gateway, running, report, self._state.worker)

    def _judge_call(self, item: pytest.Item, raised: BaseException | None) -> None:
        """Judge a test by what it ended with."""
        __tracebackhide__ = True
        try:
            self._judge(item, ended_with(item, raised), "call")
        except BaseException:
            kept_by_testcase(item).clear()
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """End the grant even where other fixtures raise a BaseException: pytest then loses the remaining finalizers."""
        __tracebackhide__ = True
        try:
            yield
        finally:
            running = self._running.get(item.nodeid)
            if running is not None and running.finish is not None:
                running.finish()

    def _end_earlier_tests(self) -> None:
        """End the grants of tests that pytest never tore down."""
        for running in list(self._running.values()):
            if running.finish is not None and running.thread == get_ident():
                with contextlib.suppress(DgBudgetError):
                    running.finish()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        running = self.running_here(report.nodeid)
        if running is None or self._run.run is None:
            return
        outcome = _outcome(self._outcomes.get(report.nodeid), report)
        if outcome is None:
            return
        self._outcomes[report.nodeid] = outcome
        self._run.run.gateway.send(RecordOutcome(attempt=running.attempt.id, outcome=outcome))

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self) -> None:
        """Keep what was recorded of what runs, once everything is told to close."""
        for nodeid, running in self._running.items():
            if running.finish is not None and running.process == getpid():
                self._artifacts.interrupted(running, nodeid, self._state.worker)

    def _judge(self, item: pytest.Item, raised: BaseException | None, when: str) -> None:
        """Have a phase judged by what the gateway has seen; without a gateway, fail the test for that."""
        __tracebackhide__ = True
        running = self.running_here(item.nodeid)
        if running is None:
            return
        phase = Phase(item, running, when, raised, self._outcomes.get(item.nodeid))
        try:
            verdict = self._run.open().gateway.ask(GetVerdict(attempt=running.attempt.id))
            if verdict.gateway_lost is not None:
                raise GatewayError(verdict.gateway_lost)
        except DgBudgetError as error:
            running.gateway_lost = True
            if not phase.has_raised_failure:
                raise error from raised
            if not isinstance(raised, GatewayError):
                phase.say(str(error))
            return
        self._verdict_judge.judge(phase, verdict)

    def running_here(self, nodeid: str) -> RunningTest | None:
        """Return the last attempt of a test, where this process began it."""
        running = self._running.get(nodeid)
        return running if running is not None and running.process == getpid() else None


def _outcome(before: Outcome | None, report: pytest.TestReport) -> Outcome | None:
    """Fold a phase's report into the attempt's outcome so far; a setup that passed decides nothing yet."""
    if report.outcome == "rerun" or before == "rerun":  # type: ignore[comparison-overlap]
        return "rerun"
    if report.failed:
        return "failed" if report.when == "call" or before == "failed" else "error"
    if before == "failed" or (report.when != "call" and (before is not None or report.passed)):
        return before  # A subtest reports its own failure before its test does.
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return report.outcome
