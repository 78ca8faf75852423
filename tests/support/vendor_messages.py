"""The vendor's forms of the Voice Agent's messages: its AsyncAPI file, and its Python SDK where that is newer.

EndOfTurn is in neither, though live sessions have it: its form is that of the vendor's Rust SDK of autumn 2026.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

VENDOR: dict[str, Any] = json.loads(Path(__file__).with_name("vendor_asyncapi.json").read_text(encoding="utf-8"))
END_OF_TURN: dict[str, Any] = {
    "type": "object",
    "required": ["type", "trigger"],
    "properties": {"type": {"const": "EndOfTurn"}, "trigger": {"enum": ["model", "timeout", "manual"]}},
}
NEWER_SERVER: dict[str, Any] = {**VENDOR["newer_server"], "EndOfTurn": END_OF_TURN}
SERVER_MESSAGES: frozenset[str] = frozenset(VENDOR["server"]) | frozenset(NEWER_SERVER)
CLIENT_MESSAGES: frozenset[str] = frozenset(VENDOR["client"]) | frozenset(VENDOR["newer_client"])


def check(message: Mapping[str, Any]) -> None:
    """Fail unless a message of the server's has one of the vendor's types, its form, and no field of our own."""
    kind = message["type"]
    assert kind in SERVER_MESSAGES, f"the vendor has no {kind}"
    for validator in validators(kind, "server"):
        validator.validate(message)
    unknown = message.keys() - {name for schema in schemas(kind, "server") for name in fields(schema)}
    assert not unknown, f"the vendor's {kind} has no {unknown}"


def check_sent(message: Mapping[str, Any]) -> None:
    """Fail unless a message of a client's is one of the AsyncAPI file's and has its form."""
    for validator in validators(message["type"], "client"):
        validator.validate(message)


@cache
def validators(kind: str, side: str) -> tuple[Draft202012Validator, ...]:
    return tuple(Draft202012Validator(schema) for schema in schemas(kind, side))


def schemas(kind: str, side: str) -> Iterator[dict[str, Any]]:
    if kind in VENDOR[side]:
        yield {"$defs": VENDOR["schemas"], **VENDOR["schemas"][VENDOR[side][kind]]}
    if side == "server" and kind in NEWER_SERVER:
        yield NEWER_SERVER[kind]


def fields(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from schema.get("properties", ())
    for choice in schema.get("oneOf", ()):
        yield from fields(VENDOR["schemas"][choice["$ref"].rpartition("/")[2]])
