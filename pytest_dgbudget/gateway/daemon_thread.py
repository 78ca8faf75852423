"""Blocking calls on threads that nothing has to wait for: a resolver or a server may hang for minutes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

R = TypeVar("R")


def in_daemon_thread(call: Callable[[], R], name: str) -> asyncio.Future[R]:
    """Begin a call, and return what it comes to; whoever no longer wants to know cancels that."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[R] = loop.create_future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:
            _tell(loop, outcome, partial(outcome.set_exception, error))
        else:
            _tell(loop, outcome, partial(outcome.set_result, result))

    threading.Thread(target=work, name=name, daemon=True).start()
    return outcome


def _tell(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[R], settle: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the gateway is gone
        loop.call_soon_threadsafe(lambda: None if outcome.done() else settle())
