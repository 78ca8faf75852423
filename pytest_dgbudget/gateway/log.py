"""The gateway's log, which is its stderr. On a full disk nothing can be written there, and all else must go on."""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from pytest_dgbudget.gateway.events import Event
from pytest_dgbudget.instants import utc_now


def log(error: BaseException) -> None:
    with contextlib.suppress(OSError):
        traceback.print_exception(error)


def log_event(event: Event) -> None:
    """Write one line: the instant, what happened, and its fields; what is unknown is left out."""
    what = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(event).__name__).lower()
    log_line(" ".join([what, *_fields(event)]))


def log_line(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{utc_now()} {text}\n")
        sys.stderr.flush()


def _fields(value: object) -> Iterator[str]:
    assert is_dataclass(value)
    for field in fields(value):
        of_field = getattr(value, field.name)
        if is_dataclass(of_field):
            yield from _fields(of_field)
        elif of_field is not None and not isinstance(of_field, tuple):  # its members had events of their own
            yield f"{field.name}={of_field}"
