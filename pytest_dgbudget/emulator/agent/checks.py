"""Checks of Settings' fields: an invalid one ends the session with INVALID_SETTINGS. ``null`` counts as absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pytest_dgbudget.emulator.codes import ProtocolError

T = TypeVar("T")

_KINDS: dict[type, str] = {bool: "true or false", dict: "an object", list: "a list", str: "a string"}


def invalid(description: str) -> ProtocolError:
    return ProtocolError("INVALID_SETTINGS", description)


def field(holder: Mapping[str, Any], name: str, kind: type[T], where: str) -> T | None:
    """Return the field, or None if it is absent."""
    value = holder.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise invalid(f"{where}.{name} must be {_KINDS[kind]}")


def strings(holder: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """Return a list of strings; empty if it is absent."""
    values = field(holder, name, list, where) or []
    if not all(isinstance(value, str) for value in values):
        raise invalid(f"{where}.{name} must be a list of strings")
    return tuple(values)


def number(holder: Mapping[str, Any], name: str, where: str, least: float, most: float) -> float | None:
    """Return a number in this range, or None if it is absent."""
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise invalid(f"{where}.{name} must be a number from {least:g} to {most:g}")
    return value


def one_of(value: Any, known: Sequence[str], where: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise invalid(f"{where} must be one of {', '.join(known)}")
    return value


def blocks(value: Any, where: str) -> list[Any]:
    """Return one object, or an ordered array of fallbacks, as a list; None as an empty one."""
    if value is None:
        return []
    if value == [] or not isinstance(value, (dict, list)):
        raise invalid(f"{where} must be an object or a list of them")
    return value if isinstance(value, list) else [value]
