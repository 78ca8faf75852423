"""What is used so far, in the terminal of a program that writes there, too."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from pytest_dgbudget.protocol.operations import Progress
from pytest_dgbudget.rules.soft_warnings import percent_used, warns
from pytest_dgbudget.units import counted

_EVERY_SECONDS = 1.0
_END_SECONDS = 2.0
# At the right margin of whichever line the cursor is in, which stays where it is: the program's own output stands at
# the left, and what it writes next goes on there.
_DRAWN = "\0337\033[{column}G\033[K\033[7m {text} \033[0m\0338"
_ERASED = "\0337\033[{column}G\033[K\0338"
_MARGINS = 2


def progress_text(progress: Progress, budget_ms: int | None) -> str:
    """Return what the line says."""
    of_budget = "" if budget_ms is None else f" of {budget_ms / 1000:.0f}s"
    used_ms = round(progress.used_seconds * 1000)
    if budget_ms and warns(used_ms, budget_ms):
        of_budget += f" ({percent_used(used_ms, budget_ms)})"
    return f"used {progress.used_seconds:.1f}s{of_budget}, {counted(progress.open_sessions, 'session')} open"


class LiveLine:
    """Rewritten every second while sessions are open, and only in the foreground of a terminal."""

    def __init__(self, progress: Callable[[], Progress | None], budget_ms: int | None) -> None:
        """``progress`` returns None while nothing is known."""
        self._progress = progress
        self._budget_ms = budget_ms
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_over, name="dgbudget-live-line", daemon=True)
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
            text = progress_text(progress, self._budget_ms)
            column = os.get_terminal_size(sys.stderr.fileno()).columns - len(text) - _MARGINS + 1
            if column > len(text):  # else the program would have less of the line than we
                drawn, self._erase = _DRAWN.format(column=column, text=text), _ERASED.format(column=column)
        if drawn:
            sys.stderr.write(drawn)
            sys.stderr.flush()


def is_foreground(descriptor: int) -> bool:
    """Return whether this is a terminal whose foreground we are in: a program that is a shell has jobs of its own."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def can_be_drawn() -> bool:
    """Return whether stderr is a terminal that understands how the line is drawn."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
