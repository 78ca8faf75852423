"""Whether this machine's clock agrees with the vendor's: the statement is read by the time of sessions."""

from __future__ import annotations

from pytest_dgbudget.cli.checks.bounded import bounded
from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.deepgram.clock import ClockOffset, clock_offset
from pytest_dgbudget.errors import ReconciliationError

NAME = "clock"
# Beyond the first, days and windows begin early or late; from the second on, the statement's rows may not be found.
_WARNS_MS = 5_000
_FAILS_MS = 300_000
_TO_DO = "set this machine's clock: have it synchronised (NTP)"
_SEE_API = "see the management API"


def check_clock(api_url: str) -> Check:
    """Compare by the Date of an answer, which needs no key."""
    try:
        offset = bounded(lambda: clock_offset(api_url))
    except TimeoutError as error:
        return Check(name=NAME, result="skipped", found=f"not compared: {error}", to_do=_SEE_API)
    except ReconciliationError as error:
        to_do = _SEE_API if error.temporary else None  # what can't be reached now, and not what has no date
        return Check(name=NAME, result="skipped", found=f"not compared: {error}", to_do=to_do)
    apart_ms = max(0, abs(offset.ms) - offset.uncertainty_ms)
    if apart_ms <= _WARNS_MS:
        return Check(name=NAME, result="ok", found=_in_words(offset))
    return Check(
        name=NAME, result="failed" if apart_ms > _FAILS_MS else "warning", found=_in_words(offset), to_do=_TO_DO
    )


def _in_words(offset: ClockOffset) -> str:
    margin = f"± {offset.uncertainty_ms / 1000:.1f} s"
    if abs(offset.ms) <= offset.uncertainty_ms:
        return f"as the management API's ({margin})"
    return f"{abs(offset.ms) / 1000:.1f} s {'ahead of' if offset.ms > 0 else 'behind'} the management API's ({margin})"
