"""Signals of a command, kept for whoever passes them on to its program, which has some of them already.

What a terminal sends goes to its whole foreground, and so do ``kill %1`` of a shell and the end of many CI jobs: the
program is in our process group and has had it. ``GroupProbe`` tells that from what was sent to us alone.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from signal import Signals
from typing import NoReturn

# What ends a program, if it does not handle it.
_ENDING = frozenset({Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM})
_PASSED_ON = _ENDING | {Signals.SIGUSR1, Signals.SIGUSR2, Signals.SIGWINCH, Signals.SIGTSTP, Signals.SIGCONT}
_HELD = _PASSED_ON | {Signals.SIGCHLD}
# Some systems drop these where nothing handles them, also while they are held.
_DROPPED = (Signals.SIGCHLD, Signals.SIGCONT, Signals.SIGWINCH)
# The members of a group are told one after the other.
_TOLD_SECONDS = 0.01


class GroupProbe:
    """A second process in our process group, which holds the same signals; it ends with us."""

    def __init__(self) -> None:
        asked, self._asking = os.pipe()
        self._answers, answering = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _answer_until_the_end(asked, answering, not_ours=(self._asking, self._answers, 0, 1, 2))
        os.close(asked)
        os.close(answering)

    def has_received(self, number: Signals) -> bool:
        """Return whether a signal that we have received was sent to the whole group.

        The same one once more meanwhile counts as one, as with all signals that are held.
        """
        time.sleep(_TOLD_SECONDS)
        if number in signal.sigpending():
            signal.sigwait({number})
        try:
            os.write(self._asking, bytes([number]))
        except BrokenPipeError:
            return False
        return os.read(self._answers, 1) == b"\1"

    def end(self) -> None:
        os.close(self._asking)
        os.close(self._answers)
        os.waitpid(self._pid, 0)


def _answer_until_the_end(asked: int, answering: int, not_ours: Iterable[int]) -> NoReturn:
    """In the other process: say of each signal whether it has come since that was asked last."""
    received: set[int] = set()
    try:
        for descriptor in not_ours:
            os.close(descriptor)
        while number := os.read(asked, 1):
            while pending := signal.sigpending() & _PASSED_ON:
                received.add(signal.sigwait(pending))
            os.write(answering, b"\1" if number[0] in received else b"\0")
            received.discard(number[0])
    finally:
        os._exit(0)


class HeldSignals:
    """Signals are kept for ``next`` in the thread that enters this, and in those that it starts.

    ``mask`` is what was held before. ``told_to_end``: one of them would end a program that does not handle it;
    ``told_late``: one that came when nobody waited for the next any more.
    """

    def __init__(self) -> None:
        self.mask: set[int] = set()
        self.told_to_end = False
        self.told_late = False

    def __enter__(self) -> HeldSignals:
        """Raises OSError where the system has no process left."""
        for each in _DROPPED:
            if signal.getsignal(each) == signal.SIG_DFL:
                signal.signal(each, _do_nothing)
        self.mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, _HELD))
        self._probe = GroupProbe()
        return self

    def __exit__(self, *_: object) -> None:
        self._probe.end()
        while pending := signal.sigpending() & _HELD:
            self.told_late = signal.sigwait(pending) in _ENDING or self.told_late
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)

    def next(self) -> Signals:
        number, sender = _next_signal()
        if number in _ENDING and not _is_in_our_group(sender):
            self.told_to_end = True
        return number

    def has_reached_group(self, number: Signals) -> bool:
        """Return whether the signal that came last has reached whoever is in our process group."""
        return self._probe.has_received(number)


def stop() -> None:
    """Stop as a program does that does not handle SIGTSTP; return when we are continued."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {Signals.SIGTSTP})
    signal.raise_signal(Signals.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_BLOCK, {Signals.SIGTSTP})


def _do_nothing(*_: object) -> None:
    """It is waited for."""


def _next_signal() -> tuple[Signals, int | None]:
    """Wait for a signal; return it and the process that sent it, None where the system does not say."""
    if not hasattr(signal, "sigwaitinfo"):  # macOS
        return Signals(signal.sigwait(_HELD)), None
    info = signal.sigwaitinfo(_HELD)
    return Signals(info.si_signo), info.si_pid or None


def _is_in_our_group(sender: int | None) -> bool:
    """Whoever is beside us, the program or what it has started, ends itself with all of the group (``kill 0``)."""
    try:
        return sender is not None and os.getpgid(sender) == os.getpgrp()
    except ProcessLookupError:
        return False
