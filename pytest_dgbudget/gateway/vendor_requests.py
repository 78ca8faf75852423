"""Requests to the management API while sessions go on: on threads that nobody waits for longer than a few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pytest_dgbudget.deepgram.timeout import GRACE_SECONDS, Timeout, unanswered
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.gateway.daemon_thread import in_daemon_thread
from pytest_dgbudget.model import ApiAccess

R = TypeVar("R")

_NO_API = "no management API is known for this agent URL: name it with --dg-api-url"


async def ask_within(
    seconds: float, access: ApiAccess | None, call: Callable[[ApiAccess, Timeout], R], thread: str
) -> R:
    """Return what a call comes to; raises ReconciliationError, also when it takes too long."""
    if access is None:
        raise ReconciliationError(_NO_API)
    timeout = Timeout(seconds)
    asked = in_daemon_thread(partial(call, access, timeout), thread)
    try:
        return await asyncio.wait_for(asked, seconds + GRACE_SECONDS)
    except (TimeoutError, asyncio.TimeoutError):
        timeout.stop()
        raise ReconciliationError(unanswered(seconds), temporary=True) from None
