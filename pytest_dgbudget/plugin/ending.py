"""The end of the run: finish it at the gateway, take its report, set the exit status, show the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dgbudget.plugin.loading import without_rewriting
from pytest_dgbudget.plugin.state import State

if TYPE_CHECKING:
    from pytest_dgbudget.report.document import FinishedRun

_RAN_TO_ITS_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
_SUCCESS = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


class Ending:
    """Registered late in configure, to run after xdist has ended its workers and before the JUnit file is written."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._ended_by: pytest.ExitCode | None = None  # what ended the run before its last test
        self._session: pytest.Session | None = None  # once the run has failed for a reason of ours
        self._failing_status = 0
        self._stop_reason: str | None = None  # why tests were not begun any more

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return [name for name in vars(Ending) if name.startswith("pytest_")]

    def pytest_internalerror(self) -> None:
        """Also called for one on a worker, after which xdist's exit status may be 0."""
        self._ended_by = pytest.ExitCode.INTERNAL_ERROR

    def pytest_keyboard_interrupt(self) -> None:
        """Close everything now: xdist gives its workers seconds to end before the session finishes.

        Also called for ``pytest.exit``, whatever exit status it asks for.
        """
        self._ended_by = pytest.ExitCode.INTERRUPTED
        run = self._state.settled_run()
        if run is not None and self._state.ends_run:
            run.stop()

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        state = self._state
        state.tests_have_ended()
        if state.opens_nothing or state.is_forked:
            return
        if state.is_worker:
            self._hand_over_hook_problems(session.config)
            return
        state.finished = self._finish(session, int(exitstatus if self._ended_by is None else self._ended_by))
        if state.finished is not None:
            self._write_junit(session.config, state.finished)
            session.exitstatus = self._exit_status(session, exitstatus, state.finished)
            if self._must_fail(session.config, state.finished):
                self._session, self._failing_status = session, session.exitstatus
            self._call_hooks(session, state.finished)

    def keep_failing(self) -> None:
        """Put back the exit status that another plugin made a success of; pytest reads it once more after this."""
        if self._session is not None and self._session.exitstatus in _SUCCESS:
            self._session.exitstatus = self._failing_status

    def _finish(self, session: pytest.Session, exit_status: int) -> FinishedRun | None:
        """End the run and take its report; None where no session could be wanted."""
        state, run = self._state, self._state.settled_run()
        if run is None:
            return _report_without_gateway(state, exit_status)
        if state.run_config.on_exhausted == "stop":
            from pytest_dgbudget.plugin.stopping import stop_reason

            self._stop_reason = stop_reason(state)
        is_ours = session.shouldfail in (False, self._stop_reason)
        wait = exit_status in _RAN_TO_ITS_END and is_ours and not session.shouldstop
        finished = run.finish(
            exit_status, wait=wait, still_waiting=lambda: _say_waiting(session.config), notices=tuple(state.notices)
        )
        return finished if finished["document"] is not None else _report_lost_gateway(state, finished)

    def _exit_status(self, session: pytest.Session, by_pytest: int, finished: FinishedRun) -> int:
        if by_pytest in _RAN_TO_ITS_END and self._lacks_required_reconciliation(finished):
            finished["notices"].append("--dg-reconcile=require fails the run: it is not reconciled")
            return pytest.ExitCode.TESTS_FAILED
        if by_pytest in _RAN_TO_ITS_END and self._lacks_cassettes(session.config):
            finished["notices"].append(
                "--dg-record=rewrite fails the run: not every test's cassettes could be recorded"
            )
            return pytest.ExitCode.TESTS_FAILED
        if by_pytest in _RAN_TO_ITS_END and self._has_regressed(finished):
            from pytest_dgbudget.report.regression import TAKES_LONGER

            finished["notices"].append(f"--dg-regression=fail fails the run: {TAKES_LONGER}")
            return pytest.ExitCode.TESTS_FAILED
        if by_pytest == pytest.ExitCode.TESTS_FAILED and finished["failed_by_overrun"] == session.testsfailed > 0:
            return self._state.run_config.overrun_exit_code
        if by_pytest in _SUCCESS and self._has_overrun(finished):
            finished["notices"].append("an overrun fails the run, although no test failed by it")
            return self._state.run_config.overrun_exit_code
        if by_pytest in _SUCCESS and self._ended_by == pytest.ExitCode.INTERNAL_ERROR:
            return pytest.ExitCode.INTERNAL_ERROR
        return by_pytest

    def _must_fail(self, config: pytest.Config, finished: FinishedRun) -> bool:
        return (
            self._has_overrun(finished)
            or self._lacks_required_reconciliation(finished)
            or self._lacks_cassettes(config)
            or self._has_regressed(finished)
        )

    def _lacks_cassettes(self, config: pytest.Config) -> bool:
        """Return whether the run fails because a test that passed has no cassettes of its sessions."""
        if not self._state.run_config.records or self._state.run_config.record != "rewrite":
            return False
        from pytest_dgbudget.plugin.cassettes import cassettes_of_run

        gathered = cassettes_of_run(config)
        return gathered is not None and bool(gathered.problems)

    def _has_regressed(self, finished: FinishedRun) -> bool:
        """Return whether a regression fails the run."""
        document = finished["document"]
        if self._state.run_config.regression != "fail" or document is None:
            return False
        from pytest_dgbudget.report.regression import found_regression

        return found_regression(document) is not None

    def _has_overrun(self, finished: FinishedRun) -> bool:
        """Return whether an overrun fails the run; one that a mark expected does so where tests didn't begin for it."""
        return finished["overran"] or self._stop_reason is not None

    def _call_hooks(self, session: pytest.Session, finished: FinishedRun) -> None:
        """Call the hooks of the run's end; the others have been called by then, or are given up."""
        hooks = session.config.hook
        if self._state.hook_calls is None and not any(
            hook.get_hookimpls() for hook in (hooks.pytest_dgbudget_discrepancy, hooks.pytest_dgbudget_run_finished)
        ):
            return
        calls = self._state.calls_of_hooks(session.config)
        calls.run_ended(finished, int(session.exitstatus))
        calls.settle()

    def _hand_over_hook_problems(self, config: pytest.Config) -> None:
        """Have the controller report what became of a worker's hooks."""
        if (calls := self._state.hook_calls) is not None:
            from pytest_dgbudget.plugin.xdist import hand_over

            calls.settle()
            hand_over(config, calls.problems)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        if config.getoption("no_summary", False):
            return
        if self._state.hook_calls is not None and self._state.hook_calls.problems:
            from pytest_dgbudget.plugin.terminal import show_hook_problems

            show_hook_problems(terminalreporter, self._state.hook_calls.problems)
        if self._state.finished is None:
            return
        with without_rewriting():
            from pytest_dgbudget.plugin.terminal import show

        show(terminalreporter, self._state.finished)
        if self._state.run_config.annotates and (document := self._state.finished["document"]) is not None:
            with without_rewriting():
                from pytest_dgbudget.plugin.annotations import annotate

                annotate(terminalreporter, document)

    def _write_junit(self, config: pytest.Config, finished: FinishedRun) -> None:
        with without_rewriting():
            from pytest_dgbudget.plugin.junit import JUnitFile, attachment_path, run_properties

        file, document, report = JUnitFile.of(config), finished["document"], finished["report"]
        if file is None or document is None:
            return
        how = self._state.run_config.junit_attachment
        path = None if report is None else attachment_path(report, how, config.rootpath)
        for crashed in self._state.crashed:
            file.add_to_crashed(crashed)
        if how != "off":
            folder = self._state.run_config.report_dir

            def path_of(artifact: str) -> str | None:
                kept = folder / artifact
                return attachment_path(str(kept), how, config.rootpath) if kept.exists() else None

            file.attach(path, path_of)
        where = self._state.run_config.junit_properties
        if where != "testcase":
            file.write_figures_into_output() if where == "suite" else file.drop_figures()
        if where != "off":
            file.add_to_suite(run_properties(document, path))

    def _lacks_required_reconciliation(self, finished: FinishedRun) -> bool:
        document = finished["document"]
        reconciled = document is not None and document["reconciliation"]["verdict"] == "reconciled"
        return self._state.run_config.reconcile == "require" and not reconciled


def _say_waiting(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        if reporter._tw.width_of_current_line:  # under -q, pytest itself does not know that its dots are there
            reporter.line("")
        reporter.write_line("dgbudget: waiting for the vendor's statement (Ctrl-C: go on without it)")
        reporter.flush()  # Otherwise it would show too late where the output is not a terminal.


def _report_without_gateway(state: State, exit_status: int) -> FinishedRun | None:
    if state.failed is not None:
        from pytest_dgbudget.report.unused_run import report_failed_gateway

        failure = f"no gateway could be started: {state.failed}"
        with without_rewriting():
            return report_failed_gateway(state.run_config, state.started_at, failure)
    if state.given and state.run_config.has_run_budget:
        with without_rewriting():
            from pytest_dgbudget.report.unused_run import report_unused

            return report_unused(state.run_config, state.started_at, exit_status)
    return None


def _report_lost_gateway(state: State, finished: FinishedRun) -> FinishedRun:
    from pytest_dgbudget.report.unused_run import report_lost_gateway

    with without_rewriting():
        return report_lost_gateway(state.run_config, state.started_at, finished)
