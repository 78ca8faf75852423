"""The client's messages as JSON, and the Error for what is none. Pure.

The text is that of people who met it; the journal has the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pytest_dgbudget.emulator.codes import CLIENT, ProtocolError

_NO_FORMAT = "Text message received from client did not match any of the formats we expect."


def parse(text: str) -> dict[str, Any]:
    """Return a message with a known type; raises ProtocolError."""
    try:
        data = json.loads(text, parse_constant=_no_constant)  # NaN is not JSON
    except (ValueError, RecursionError):
        unparsable("it is not JSON")
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        unparsable("it is not a JSON object with a type")
    if data["type"] not in CLIENT:
        unparsable(f"there is no message of the type {data['type'][:100]!r}")
    return data


def present(data: Mapping[str, Any], name: str) -> Any:
    if data.get(name) is None:
        unparsable(f"{data['type']} needs {name}")
    return data[name]


def text_of(data: Mapping[str, Any], name: str) -> str:
    value = present(data, name)
    if not isinstance(value, str):
        unparsable(f"{data['type']} needs {name} to be a string")
    return value


def unparsable(detail: str) -> NoReturn:
    raise ProtocolError("UNPARSABLE_CLIENT_MESSAGE", _NO_FORMAT, detail=detail)


def _no_constant(_: str) -> NoReturn:
    raise ValueError("a constant that JSON does not have")
