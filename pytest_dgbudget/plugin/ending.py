"""The end of the run: finish it at the gateway, take its report, set the exit status, show the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.plugin.state import State

if TYPE_CHECKING:
    from pytest_dgbudget.ledger.facts import RunFacts
    from pytest_dgbudget.report.document import FinishedRun

_RAN_TO_ITS_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
_SUCCESS = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
# How long a gateway whose owner is gone has to settle and report.
_SETTLED_SECONDS = 3


class Ending:
    """Registered late in configure, to run after xdist has ended its workers and before the JUnit file is written."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return [name for name in vars(Ending) if name.startswith("pytest_")]

    def pytest_keyboard_interrupt(self) -> None:
        """Close everything now: xdist gives its workers seconds to end before the session finishes."""
        run = self._state.settled_run()
        if run is not None and not self._state.is_worker:
            run.stop()

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        state = self._state
        if state.is_worker or state.opens_nothing:
            return
        run = self._state.settled_run()
        if run is not None:
            wait = exitstatus in _RAN_TO_ITS_END and not session.shouldfail and not session.shouldstop
            finished = run.finish(int(exitstatus), wait=wait, still_waiting=lambda: _say_waiting(session.config))
            state.finished = finished if finished["document"] is not None else _report_lost_gateway(state, finished)
        elif state.failed is not None:
            state.finished = _report_failed_gateway(state, f"no gateway could be started: {state.failed}")
        elif state.given and state.run_config.budget_ms is not None:
            state.finished = _report_unused(state, int(exitstatus))
        if state.finished is not None:
            self._write_junit(session.config, state.finished)
        if self._lacks_required_reconciliation() and exitstatus in _RAN_TO_ITS_END:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self._say("--dg-reconcile=require fails the run: it is not reconciled")
        elif exitstatus == pytest.ExitCode.TESTS_FAILED and self._only_overruns_failed(session):
            session.exitstatus = state.run_config.overrun_exit_code
        elif state.finished is not None and state.finished["overran"] and exitstatus in _SUCCESS:
            session.exitstatus = state.run_config.overrun_exit_code
            self._say("an overrun fails the run, although no test failed by it")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        if self._state.finished is None or config.getoption("no_summary", False):
            return
        from pytest_dgbudget.plugin.terminal import show

        show(terminalreporter, self._state.finished, config.rootpath)

    def _write_junit(self, config: pytest.Config, finished: FinishedRun) -> None:
        from pytest_dgbudget.plugin.junit import JUnitFile, attachment_path, run_properties

        file, document, report = JUnitFile.of(config), finished["document"], finished["report"]
        if file is None or document is None:
            return
        how = self._state.run_config.junit_attachment
        path = None if report is None else attachment_path(report, how, config.rootpath)
        for crashed in self._state.crashed:
            file.add_to_crashed(crashed)
        if path is not None and how != "off":
            file.attach(path)
        where = self._state.run_config.junit_properties
        if where != "testcase":
            file.write_figures_into_output() if where == "suite" else file.drop_figures()
        if where != "off":
            file.add_to_suite(run_properties(document, path))

    def _say(self, notice: str) -> None:
        assert self._state.finished is not None
        self._state.finished["notices"].append(notice)

    def _lacks_required_reconciliation(self) -> bool:
        finished = self._state.finished
        if finished is None or self._state.run_config.reconcile != "require":
            return False
        document = finished["document"]
        return document is None or document["reconciliation"]["verdict"] != "reconciled"

    def _only_overruns_failed(self, session: pytest.Session) -> bool:
        finished = self._state.finished
        return finished is not None and finished["failed_by_overrun"] == session.testsfailed > 0


def _say_waiting(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        if reporter._tw.width_of_current_line:  # under -q, pytest itself does not know that its dots are there
            reporter.line("")
        reporter.write_line("dgbudget: waiting for the vendor's statement (Ctrl-C: go on without it)")
        reporter.flush()  # Otherwise it would show too late where the output is not a terminal.


def _settled_run(state: State) -> RunFacts | None:
    """Return what the ledger has of the run; a forked test had a gateway of its own, which may still be settling."""
    from pytest_dgbudget.report.unused_run import known_run

    deadline = time.monotonic() + _SETTLED_SECONDS
    known = known_run(state.run_config)
    while known is not None and any(lease.how is None for lease in known.leases) and time.monotonic() < deadline:
        time.sleep(0.1)
        known = known_run(state.run_config)
    return known


def _report_unused(state: State, exit_status: int) -> FinishedRun:
    """Report a run in which this process asked for no session; others of the same run may have."""
    from pytest_dgbudget.report.document import without_document, write_report
    from pytest_dgbudget.report.unused_run import unserved_run

    try:
        known = _settled_run(state)
    except LedgerError as error:
        return without_document(f"no report: {error}")
    facts = unserved_run(state.run_config, known, state.started_at, exit_status, None)
    return write_report(facts, state.run_config.report_dir, "", ())


def _report_failed_gateway(state: State, failure: str) -> FinishedRun:
    """Report a run whose gateway never served, so that this process opened no session."""
    from pytest_dgbudget.report.document import set_earlier_aside, with_notice, without_document, write_report
    from pytest_dgbudget.report.unused_run import known_run, unserved_run

    set_earlier_aside(state.run_config.report_dir, state.run_config.run_id)
    try:
        known = known_run(state.run_config)
    except LedgerError as error:
        return with_notice(without_document(failure), f"no report: {error}")
    facts = unserved_run(state.run_config, known, state.started_at, None, failure)
    return write_report(facts, state.run_config.report_dir, "", (failure,))


def _report_lost_gateway(state: State, finished: FinishedRun) -> FinishedRun:
    """Report what the ledger has of a run whose gateway made no report; without it, what was used is not known."""
    from pytest_dgbudget.report.document import write_report
    from pytest_dgbudget.report.unused_run import known_run, unserved_run

    try:
        known = known_run(state.run_config)
    except LedgerError:
        return finished
    if known is None:
        return finished
    failure = finished["notices"][0]
    facts = unserved_run(state.run_config, known, state.started_at, None, failure)
    return write_report(facts, state.run_config.report_dir, "", finished["notices"])
