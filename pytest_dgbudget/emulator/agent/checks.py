"""Checks of Settings' fields, and the vendor's words for what is wrong. ``null`` counts as absent.

What can't be parsed is UNPARSABLE_CLIENT_MESSAGE and names a field; what is parsed but impossible is INVALID_SETTINGS.
Both texts are those of people who met them. Which field is named is known for some: all of ``agent.think`` and of
``agent.speak`` go by these two names, in ``agent.listen`` the field itself is named. The rest is the emulator's choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pytest_dgbudget.emulator.codes import ProtocolError

T = TypeVar("T")
LONGEST_SHOWN = 100  # characters of a client's text that an Error repeats

_KINDS: dict[type, str] = {bool: "true or false", dict: "an object", list: "a list", str: "a string"}
_NAMED_AS_A_WHOLE = re.compile(r"((?:agent\.)?(?:think|speak|context)|(?:agent\.)?listen\.provider)\b")
_BLOCK = re.compile(r"(?:agent|audio)\.\w+|\w+")


def invalid(where: str, reason: str) -> ProtocolError:
    """Return the Error for a value that can be read and not used, in the form "Invalid agent.think settings - …"."""
    block = _BLOCK.match(where)
    assert block is not None
    return ProtocolError("INVALID_SETTINGS", f"Invalid {block[0]} settings - {reason}", detail=where)


def unparsable_field(where: str, detail: str) -> ProtocolError:
    """Return the Error for a field that must not be there or is of the wrong type; ``detail`` is for the journal."""
    whole = _NAMED_AS_A_WHOLE.match(where)
    text = f"Error parsing client message. Check the {whole[0] if whole else where} field against the API spec."
    return ProtocolError("UNPARSABLE_CLIENT_MESSAGE", text, detail=f"{where}: {detail}")


def field(holder: Mapping[str, Any], name: str, kind: type[T], where: str) -> T | None:
    """Return the field, or None if it is absent. ``where`` is the holder's path, empty for the root."""
    value = holder.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise unparsable_field(path(where, name), f"it must be {_KINDS[kind]}")


def strings(holder: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """Return a list of strings; empty if it is absent."""
    values = field(holder, name, list, where) or []
    if not all(isinstance(value, str) for value in values):
        raise unparsable_field(path(where, name), "it must be a list of strings")
    return tuple(values)


def number(holder: Mapping[str, Any], name: str, where: str, least: float, most: float) -> float | None:
    """Return a number in this range, or None if it is absent."""
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise unparsable_field(path(where, name), "it must be a number")
    if not least <= value <= most:
        raise invalid(path(where, name), f"{name} must be from {least:g} to {most:g}")
    return value


def whole_number(holder: Mapping[str, Any], name: str, where: str) -> int | None:
    """Return a whole number, or None if it is absent."""
    value = holder.get(name)
    if isinstance(value, bool) or not (value is None or isinstance(value, int)):
        raise unparsable_field(path(where, name), "it must be a whole number")
    return value


def one_of(value: Any, known: Sequence[str], where: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise unparsable_field(where, f"it must be one of {', '.join(known)}")
    return value


def blocks(value: Any, where: str) -> list[Any]:
    """Return one object, or an ordered array of fallbacks, as a list; None as an empty one."""
    if value is None:
        return []
    if value == [] or not isinstance(value, (dict, list)):
        raise unparsable_field(where, "it must be an object or a list of them")
    return value if isinstance(value, list) else [value]


def path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
