"""How far this machine's clock is from the vendor's, by the Date of one answer. The key is not sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, build_opener

from pytest_dgbudget.config import host_of
from pytest_dgbudget.config.resolve import is_loopback
from pytest_dgbudget.errors import ReconciliationError

_SECONDS = 4
# The header has whole seconds: on average, half of one has passed.
_HALF_SECOND_MS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """Ours less theirs, in milliseconds, and by how much that may be wrong."""

    ms: int
    uncertainty_ms: int


class _NoRedirect(HTTPRedirectHandler):
    """A redirect has a Date, too."""

    def redirect_request(self, *_: Any) -> None:
        return None


def clock_offset(api_url: str) -> ClockOffset:
    """Ask once, without a key; raises ReconciliationError where no answer has a date."""
    asked_at, begun = time.time(), time.monotonic()
    date = _date_of_answer(f"{api_url.rstrip('/')}/v1/projects", _opener(api_url))
    took_ms = round((time.monotonic() - begun) * 1000)
    ours_ms = round(asked_at * 1000) + took_ms // 2
    theirs_ms = round(_moment(date) * 1000) + _HALF_SECOND_MS
    return ClockOffset(ms=ours_ms - theirs_ms, uncertainty_ms=_HALF_SECOND_MS + took_ms // 2)


def _opener(api_url: str) -> OpenerDirector:
    """The environment's proxy is used, but never for this machine itself."""
    return build_opener(_NoRedirect, *([ProxyHandler({})] if is_loopback(host_of(api_url)) else []))


def _date_of_answer(url: str, opener: OpenerDirector) -> str:
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            return str(answer.headers.get("Date", ""))
    except HTTPError as refusal:
        with refusal:
            return str(refusal.headers.get("Date", ""))
    except (OSError, HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)  # URLError wraps it
        raise ReconciliationError(f"{type(cause).__name__}: {cause}", temporary=True) from None


def _moment(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        raise ReconciliationError("the answer has no date") from None
