"""A limit for what has none of its own: looking up a name may take minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# For each thing that is asked of the network.
NETWORK_SECONDS = 5.0


def bounded(ask: Callable[[], T], seconds: float = NETWORK_SECONDS) -> T:
    """Return or raise what a function does; raises TimeoutError where it takes longer, and leaves it to itself."""
    answers: list[T] = []
    errors: list[BaseException] = []
    thread = threading.Thread(target=_keep, args=(ask, answers, errors), name="dgbudget-doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answers[0]


def _keep(ask: Callable[[], T], answers: list[T], errors: list[BaseException]) -> None:
    try:
        answers.append(ask())
    except BaseException as error:
        errors.append(error)
