"""Exit statuses: those of all commands, and that of ``dgbudget run``, which is the program's own unless the run has
something to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_dgbudget.report.document import FinishedRun
    from pytest_dgbudget.rules.verdicts import Verdict

FAILED = 1
# Also where the settings are wrong, or there is no ledger that could be read: name another one.
BAD_USAGE = 2
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

# sysexits.h: EX_TEMPFAIL. No program of a test suite's is likely to have it for something else.
OVERRUN = 75


def fails(verdict: Verdict | None, reconcile: str) -> bool:
    """Return whether a comparison makes a command fail; ``reconcile``: ``--reconcile``, None: never compared."""
    return verdict != "reconciled" if reconcile == "require" else verdict == "discrepancy"


def exit_status(
    program: int, finished: FinishedRun | None, failure: str | None, *, must_reconcile: bool
) -> tuple[int, str | None]:
    """Return the exit status, and why it is not the program's. ``failure`` is why sessions could not be metered."""
    if finished is not None and finished["overran"]:
        return OVERRUN, f"exit status {OVERRUN} for the overrun; the program's own was {program}"
    if program != 0:
        return program, None
    if failure is not None:
        return FAILED, f"exit status {FAILED}, although the program's own was 0: {failure}"
    if must_reconcile and finished is not None and not _is_reconciled(finished):
        return FAILED, f"exit status {FAILED}, although the program's own was 0: --reconcile=require, not reconciled"
    return program, None


def _is_reconciled(finished: FinishedRun) -> bool:
    document = finished["document"]
    return document is not None and document["reconciliation"]["verdict"] == "reconciled"
