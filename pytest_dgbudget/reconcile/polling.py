"""The loop: ask for the statement until it has settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.reconcile.question import Question
from pytest_dgbudget.reconcile.result import Reconciliation
from pytest_dgbudget.reconcile.snapshot import Statement
from pytest_dgbudget.rules.reconciliation import Verdict, match

if TYPE_CHECKING:
    from pytest_dgbudget.deepgram.management import ManagementApi

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0


def reconcile(
    question: Question, api: ManagementApi, patience: Timeout, tell: Callable[[Reconciliation], None]
) -> None:
    """Ask until nothing is left to wait for, or patience ends; ``tell`` gets every result, and the last one counts."""
    statement = Statement(question, api, patience)
    for longest_pause in _pauses():
        result = statement.look()
        tell(result)
        # The last look is to come near the end, and not where the next pause no longer fits.
        pause = min(longest_pause, max(_FIRST_PAUSE_SECONDS, patience.left() / 2))
        if not statement.may_change(result) or not patience.pause(pause):
            return


def not_asked(question: Question, verdict: Verdict, *reasons: str) -> Reconciliation:
    """Say how things stand when the vendor is not asked, and why it isn't."""
    lines = match(question.sessions(), (), question.terms_now().unasked())
    return Reconciliation(verdict=verdict, tolerance=question.tolerance, lines=lines, reasons=reasons)


def switched_off(question: Question) -> Reconciliation:
    """Say that nobody wants to know."""
    return Reconciliation(verdict="off", tolerance=question.tolerance, lines=(), reasons=())


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
