"""What is used so far, in the terminal of a program that writes there, too."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.protocol.operations import Progress
from pytest_dgbudget.report.live_figure import progress_text
from pytest_dgbudget.terminals import is_foreground

_EVERY_SECONDS = 1.0
_END_SECONDS = 2.0
# At the right margin of whichever line the cursor is in, which stays where it is: the program's own output stands at
# the left, and what it writes next goes on there.
_DRAWN = "\0337\033[{column}G\033[K\033[7m {text} \033[0m\0338"
_ERASED = "\0337\033[{column}G\033[K\0338"
_MARGINS = 2


class FigureAtMargin:
    """Rewritten every second while sessions are open, and only in the foreground of a terminal."""

    def __init__(self, progress: Callable[[], Progress | None], run_config: RunConfig) -> None:
        """``progress`` returns None while nothing is known."""
        self._progress = progress
        self._run_config = run_config
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_over, name="dgbudget-live-figure", daemon=True)
        self._erase = ""

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(_END_SECONDS)

    def _draw_until_over(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self._show(self._progress())
        self._show(None)

    def _show(self, progress: Progress | None) -> None:
        """Draw it anew; nothing is drawn while no session is open."""
        if not is_foreground(sys.stderr.fileno()):
            return
        drawn, self._erase = self._erase, ""
        if progress is not None and progress.open_sessions:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns - _MARGINS
            text = progress_text(progress, self._run_config, width=columns // 2)
            column = columns - len(text) + 1
            if text:
                drawn, self._erase = _DRAWN.format(column=column, text=text), _ERASED.format(column=column)
        if drawn:
            sys.stderr.write(drawn)
            sys.stderr.flush()
