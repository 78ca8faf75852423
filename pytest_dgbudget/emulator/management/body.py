"""A request's body: one JSON object; errors name the field. Pure.

The emulator's choices: a null field counts as absent, unknown fields are ignored.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from pytest_dgbudget.emulator.http import Refusal


class Body:
    """Every method returns None for a field that is absent; raises Refusal."""

    def __init__(self, data: bytes) -> None:
        self._fields = _object(data) if data.strip() else {}

    def value(self, name: str) -> Any:
        return self._fields.get(name)

    def text(self, name: str) -> str | None:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, str):
            raise bad(name, "must be a string")
        return value

    def texts(self, name: str) -> list[str] | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise bad(name, "must be an array of strings")
        return value

    def number(self, name: str) -> float | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value):
            raise bad(name, "must be a number")
        return value


def bad(name: str, what: str) -> Refusal:
    """Return the refusal of a field or parameter; ``what`` completes a sentence about it."""
    return Refusal(400, "Bad Request", f"{name} {what}.")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"{type(error).__name__} while it was read") from None
    if not isinstance(value, dict):
        raise _invalid("it must be an object")
    return value


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _invalid(details: str) -> Refusal:
    """Return a refusal in the form and with the code of the vendor's page "Errors"; the words are the emulator's."""
    return Refusal(400, "INVALID_JSON", "Invalid JSON submitted.", details=f"The body can't be used: {details}.")
