"""What long work shows while it goes on: bars on stderr, where that is a terminal, and none with ``--json``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, TypeAlias


class Steps(Protocol):
    """Is told how many steps are done, and, where that has changed, of how many, or of what."""

    def __call__(self, done: int, total: int | None = None, what: str | None = None) -> None: ...


class Bars:
    """No bars: nobody looks."""

    def begin(self, what: str, total: int | None) -> Steps:
        """Begin one for so many steps, None: it is not known how many, and return what is told of each."""
        return _show_nothing

    @contextmanager
    def put_aside(self) -> Iterator[None]:
        """Leave the terminal to whatever is written meanwhile."""
        yield


class _RichBars(Bars):
    def __init__(self, bars: Any, appear_at: float) -> None:
        """``bars`` is rich's own ``Progress``."""
        self._bars = bars
        self._appear_at = appear_at

    def begin(self, what: str, total: int | None) -> Steps:
        task = self._bars.add_task(what, total=total)
        self._appear()

        def show(done: int, total: int | None = None, what: str | None = None) -> None:
            self._bars.update(task, completed=done, total=total, description=what)
            self._appear()

        return show

    @contextmanager
    def put_aside(self) -> Iterator[None]:
        self._bars.stop()
        yield
        self._appear()

    def _appear(self) -> None:
        if time.monotonic() >= self._appear_at:
            self._bars.start()


Shown: TypeAlias = "AbstractContextManager[Bars]"


def no_bars() -> Shown:
    """Show none: what is printed is for a program."""
    return nullcontext(Bars())


@contextmanager
def shown_bars(after_seconds: float = 0.0) -> Iterator[Bars]:
    """Yield what shows bars on a terminal, from the first step that is done so late, until the end."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Bars()
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bars = Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    try:
        yield _RichBars(bars, time.monotonic() + after_seconds)
    finally:
        bars.stop()


def _show_nothing(done: int, total: int | None = None, what: str | None = None) -> None:
    """There is no bar."""
