"""What is used so far, beside pytest's own progress while the run goes on."""

from __future__ import annotations

import os
from _thread import allocate_lock
from contextlib import suppress
from functools import partial
from os import getpid
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_dgbudget.control.unlisted_thread import UnlistedThread
from pytest_dgbudget.plugin.loading import without_rewriting
from pytest_dgbudget.plugin.state import State

if TYPE_CHECKING:
    from pytest_dgbudget.control.run import RunHandle
    from pytest_dgbudget.protocol.operations import Progress

_NAME = "dgbudget-live-figure"
_END_SECONDS = 2.0


class Shown(Protocol):
    """How it is shown: where, and every how many seconds it is looked at."""

    every_seconds: float

    def show(self, progress: Progress) -> None:
        """Show what is used by now."""
        ...

    def hide(self) -> None:
        """Show nothing for now."""
        ...

    def end(self) -> None:
        """Show nothing any more, and leave nothing behind."""
        ...


def add_live_figure(config: pytest.Config, state: State) -> None:
    """Show what is used as soon as there is a gateway, where pytest's own reporter writes, and not under -qq."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    is_pytests_own = type(reporter).__module__ == "_pytest.terminal"  # others' have a progress of their own
    if not is_pytests_own or reporter.verbosity < -1 or config.pluginmanager.has_plugin(_NAME):
        return
    with without_rewriting():
        figure = LiveFigure(_way_of_showing(config, state, reporter))
    config.pluginmanager.register(figure, _NAME)
    config.add_cleanup(figure.stop)
    state.call_with_run(figure.begin)


def _way_of_showing(config: pytest.Config, state: State, reporter: pytest.TerminalReporter) -> Shown:
    from pytest_dgbudget.terminals import can_be_drawn

    stream = reporter._tw._file
    # What tests print without being captured would be written over it, and logs of CI servers keep all that is drawn.
    is_ours = config.getoption("capture", "no") == "fd" and not os.environ.get("CI")
    if is_ours and can_be_drawn(stream):
        from pytest_dgbudget.plugin.figure_below import FigureBelow

        with suppress(OSError):
            return FigureBelow(reporter._tw, os.ttyname(stream.fileno()), state)
    from pytest_dgbudget.plugin.figure_in_log import FigureInLog

    return FigureInLog(reporter, state)


class LiveFigure:
    """Asks the gateway on a thread of its own from the moment that there is one, and until the tests have ended."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._process = getpid()
        self._begins = allocate_lock()
        self._goes_on = allocate_lock()
        self._goes_on.acquire()
        self._shows = allocate_lock()
        self._is_hidden = False
        self._thread: UnlistedThread | None = None

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return [name for name in vars(LiveFigure) if name.startswith("pytest_")]

    def begin(self, run: RunHandle) -> None:
        """Begin with the gateway; in a forked child, and a second time, nothing happens."""
        if getpid() == self._process and self._begins.acquire(blocking=False):
            self._thread = UnlistedThread(partial(self._follow, run))

    def stop(self) -> None:
        """Remove it; stopping twice is harmless."""
        if self._thread is not None and getpid() == self._process and self._goes_on.locked():
            self._goes_on.release()
            self._thread.join(_END_SECONDS)
            with self._shows:
                self._shown.end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self.stop()

    def pytest_enter_pdb(self) -> None:
        """The user types where it stands."""
        with self._shows:
            self._is_hidden = True
            self._shown.hide()

    def pytest_leave_pdb(self) -> None:
        self._is_hidden = False

    def _follow(self, run: RunHandle) -> None:
        with suppress(Exception):  # a test would be told of it
            while not self._goes_on.acquire(timeout=self._shown.every_seconds):
                self._look(run)
            self._goes_on.release()

    def _look(self, run: RunHandle) -> None:
        from pytest_dgbudget.errors import DgBudgetError
        from pytest_dgbudget.protocol.operations import GetProgress

        with suppress(DgBudgetError):  # the next look may find a gateway again
            progress = run.gateway.ask(GetProgress())
            with self._shows:
                if not self._is_hidden and self._goes_on.locked():
                    self._shown.show(progress)
