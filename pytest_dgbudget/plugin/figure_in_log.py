"""What is used so far where it can't be drawn: a line now and then, after a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dgbudget.control import real_time
from pytest_dgbudget.plugin.state import State
from pytest_dgbudget.report.live_figure import progress_text, share_used
from pytest_dgbudget.rules.progress_lines import ProgressLines

if TYPE_CHECKING:
    from pytest_dgbudget.protocol.operations import Progress

_NAME = "dgbudget-figure-in-log"


class FigureInLog:
    """Registers itself with the first look, so that no test is asked for before."""

    every_seconds = 5.0

    def __init__(self, reporter: pytest.TerminalReporter, state: State) -> None:
        self._reporter = reporter
        self._state = state
        self._lines: ProgressLines | None = None
        self._line: str | None = None

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return ["pytest_runtest_logfinish"]

    def show(self, progress: Progress) -> None:
        """Have a line written after the next test, if one is due."""
        now, run_config = real_time.seconds(), self._state.run_config
        if self._lines is None:
            self._lines = ProgressLines(now)
            # pytest calls copies of the lists that this changes.
            self._reporter.config.pluginmanager.register(self, _NAME)
        if self._lines.is_due(now, progress.used_seconds, share_used(progress, run_config)):
            self._line = progress_text(progress, run_config)

    def hide(self) -> None:
        """Nothing is there."""

    def end(self) -> None:
        """The run's line comes next."""
        self._line = None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            self._reporter.ensure_newline()
            if self._reporter._tw.width_of_current_line:  # under -q pytest does not know that its dots are there
                self._reporter.line("")
            self._reporter.write_line(line)
            self._reporter.flush()
