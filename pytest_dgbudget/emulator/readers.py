"""Readers of values in scenarios and faults: each returns the value or raises ValueError with the reason. Pure."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import parse_time


def read_time(value: Any) -> int:
    """Return the milliseconds of a TIME, or of a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{shown(value)} is not a time")
    try:
        return parse_time(value if isinstance(value, str) else f"{value:.12g}")
    except OverflowError:  # an integer too large for a float
        raise ValueError(f"{shown(value)} is longer than ten years") from None
    except SettingsError as error:
        raise ValueError(str(error)) from None


def read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a text")
    return value


def whole(low: int, high: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers from low to high, both included."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{shown(value)} is not a whole number from {low} to {high}")
        return value

    return read


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def one_of(*known: str) -> Callable[[Any], str]:
    """Return a reader of one of these texts."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{shown(value)} is none of {', '.join(known)}")
        return value

    return read


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint: the known name that was probably meant, otherwise all known names."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known)}"


def shown(value: Any) -> str:
    """Return a short form of any value for messages."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to write integers with thousands of digits
        return "a number of thousands of digits"
