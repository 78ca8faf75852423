"""The program that a command runs, as if it had been started without us: its terminal, its signals, its exit status."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from signal import Signals
from typing import NoReturn

from pytest_dgbudget.cli.signals import HeldSignals, stop

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_KILLED = 128  # and the signal's number
_STANDARD_ERROR = 2

# Python ignores them, and a program would inherit that.
_RESTORED = (Signals.SIGPIPE, Signals.SIGXFSZ)


class CannotStart(Exception):
    """There is no such program, or it is none; ``status`` is what a shell would exit with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Program:
    """A child in our process group, and so in the foreground where we are."""

    def __init__(self, command: list[str], environment: Mapping[str, str], held: HeldSignals) -> None:
        """Start it; raises CannotStart."""
        self._held = held
        try:
            self._pid = os.posix_spawnp(command[0], command, environment, setsigmask=held.mask, setsigdef=_RESTORED)
        except OSError as error:
            raise _cannot_start(command[0], error) from None

    def wait(self) -> int:
        """Pass signals on until it has ended; return its exit status, as a shell has it."""
        while True:
            number = self._held.next()
            if number == Signals.SIGCHLD:
                ended, status = os.waitpid(self._pid, os.WNOHANG)
                if ended:
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else _KILLED - code
            else:
                self._receive(number)

    def _receive(self, number: Signals) -> None:
        if not self._held.has_reached_group(number):
            os.kill(self._pid, number)
        if number == Signals.SIGTSTP:
            stop()


def occupy_standard_files() -> None:
    """Keep files of ours from having the numbers of those that are closed for us, and so for the program."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(number)


def become(command: list[str]) -> NoReturn:
    """Run the program in place of this one; raises CannotStart."""
    for each in _RESTORED:
        signal.signal(each, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise _cannot_start(command[0], error) from None


def _cannot_start(name: str, error: OSError) -> CannotStart:
    if not isinstance(error, FileNotFoundError):
        return CannotStart(_NOT_EXECUTABLE, f"{name} can't be run: {error.strerror}")
    if shutil.which(name) is not None:
        return CannotStart(_NOT_FOUND, f"{name} can't be run: the interpreter that its first line names is not there")
    where = "there is no such file" if os.sep in name else "it is in no folder of PATH"
    return CannotStart(_NOT_FOUND, f"{name} is not found: {where}")
