r"""What is used so far, drawn in the line below the one that pytest writes.

pytest's own output is appended where its cursor stands, so that everything below the cursor is ours: it is erased
before pytest writes (``\033[J``: from the cursor to the end of the screen), and drawn again when pytest has flushed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.plugin.state import State
from pytest_dgbudget.report.live_figure import progress_text
from pytest_dgbudget.terminals import is_foreground

if TYPE_CHECKING:
    from pytest_dgbudget.protocol.operations import Progress

# Where the cursor is in the last line of the screen, this makes one below it.
_MAKE_ROOM = "\033D\033[A"
_DRAWN = "\033[J" + _MAKE_ROOM + "\0337\033[B\r{line}\0338"
_ERASED = "\033[J"
_REVERSED = "\033[7m{line}\033[0m"
_MARGINS = 3

# Bound before a test can replace them.
_RLock = RLock
_getpid = os.getpid


class FigureBelow:
    """Stands in for ``write`` and ``flush`` of the stream that pytest writes to, from the first look to the end.

    It is drawn by a descriptor of its own: while a test runs, pytest has the stream's lead elsewhere.
    """

    every_seconds = 1.0

    def __init__(self, writer: Any, terminal: str, state: State) -> None:
        """``writer`` is pytest's TerminalWriter, ``terminal`` the path of its terminal."""
        self._writer = writer
        self._terminal = terminal
        self._state = state
        self._stream = writer._file
        self._process = _getpid()
        self._lock = _RLock()
        self._descriptor: int | None = None
        self._progress: Progress | None = None
        self._is_drawn = False
        self._is_flushed = True

    def show(self, progress: Progress) -> None:
        """Draw it with what is used by now; raises OSError where there is no terminal any more."""
        with self._lock:
            if self._descriptor is None:
                self._begin()
            self._progress = progress
            self._draw()

    def hide(self) -> None:
        """Erase it until it is shown again."""
        with self._lock:
            self._progress = None
            self._erase()

    def end(self) -> None:
        """Erase it, and let pytest write by itself."""
        with self._lock:
            self.hide()
            if self._descriptor is not None:
                self._put_back("write", self._erase_and_write)
                self._put_back("flush", self._flush_and_draw)
                os.close(self._descriptor)
                self._descriptor = None

    def _begin(self) -> None:
        self._descriptor = os.open(self._terminal, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        self._write, self._flush = self._stream.write, self._stream.flush
        self._stream.write, self._stream.flush = self._erase_and_write, self._flush_and_draw

    def _put_back(self, name: str, ours: Callable[..., Any]) -> None:
        """Put a method back, unless somebody else has replaced ours."""
        if vars(self._stream).get(name) == ours:
            delattr(self._stream, name)

    def _erase_and_write(self, text: str) -> int:
        if _getpid() != self._process:  # a forked child has nothing to erase, and another thread may hold the lock
            return int(self._write(text))
        with self._lock:
            self._erase()
            self._is_flushed = "\n" in text  # then a terminal's stream flushes by itself
            return int(self._write(text))

    def _flush_and_draw(self) -> None:
        if _getpid() != self._process:
            self._flush()
            return
        with self._lock:
            self._flush()
            self._is_flushed = True
            self._draw()

    def _draw(self) -> None:
        """Draw it, unless something is still to be written where the cursor is now, or we are in the background."""
        if self._progress is None or not self._is_flushed or self._descriptor is None:
            return
        columns = _columns(self._descriptor)  # anew each time: a line that is too wide would scroll the screen
        text = progress_text(self._progress, self._state.run_config, max(0, columns - _MARGINS))
        if not text or self._may_be_at_margin(columns) or not is_foreground(self._descriptor):
            return
        line = f" {text} "
        self._put(_DRAWN.format(line=_REVERSED.format(line=line) if self._writer.hasmarkup else line))
        self._is_drawn = True

    def _may_be_at_margin(self, columns: int) -> bool:
        """Return whether the next character may go into a new line, which the terminal would forget.

        A wide character leaves the last column of its line empty where it does not fit in, which nobody counts.
        """
        width = self._writer.width_of_current_line
        return bool(width) and -width % columns <= width // columns

    def _erase(self) -> None:
        """Erase it; what stands there while we are in the background is another program's."""
        if self._is_drawn and self._descriptor is not None and is_foreground(self._descriptor):
            self._put(_ERASED)
        self._is_drawn = False

    def _put(self, sequence: str) -> None:
        """Write it at once: a terminal takes what is written by one call without mixing it with another's."""
        assert self._descriptor is not None
        with suppress(OSError):  # the terminal is gone
            os.write(self._descriptor, sequence.encode())


def _columns(descriptor: int) -> int:
    """Return how many columns a terminal has; 0 where it does not say so, or is gone."""
    try:
        return os.get_terminal_size(descriptor).columns
    except OSError:
        return 0
