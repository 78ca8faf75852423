"""Which part of an invocation a gateway has: all of it, or that of one worker on another machine."""

from __future__ import annotations

from os import urandom
from typing import NamedTuple


class Part(NamedTuple):
    """An invocation, and the id of the worker that has a gateway of its own in it; None: the controller's gateway."""

    invocation: str
    elsewhere: str | None = None


def whole_invocation() -> Part:
    """Return all of a new invocation."""
    return Part(urandom(8).hex())
