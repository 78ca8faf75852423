"""YAML as our pages have it: mappings, lists and texts by indentation. Everything else is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_KEY = re.compile(r"([\w.-]+):(?: (.*))?$")
# What a plain text may not begin with, nor hold: it would mean something else.
_BEGINS = re.compile(r"[-?:] |[,\[\]{}#&*!|>'\"%@`]")
_QUOTED = re.compile(r"'[^']*'$")
_HOLDS = re.compile(r": | #|:$")


def parsed(text: str) -> Any:
    """Return what a text means; raises ValueError for what it can't be sure of."""
    lines = list(_meant(text))
    value, rest = _block(lines, _indent(lines[0]))
    if rest:
        raise ValueError(f"indented otherwise: {rest[0]!r}")
    return value


def _meant(text: str) -> Iterator[str]:
    """Yield the lines without comments and blank ones; in a literal, these belong to it."""
    literal: int | None = None
    for line in text.splitlines():
        if literal is not None and line.strip() and _indent(line) <= literal:
            literal = None
        if literal is not None or (line.strip() and not line.lstrip().startswith("#")):
            yield line
        if literal is None and line.endswith((": |", "- |")):
            literal = _indent(line)


def _indent(line: str) -> int:
    if "\t" in line:
        raise ValueError(f"a tab: {line!r}")
    return len(line) - len(line.lstrip(" "))


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    return (_items if lines[0].lstrip().startswith("- ") else _pairs)(lines, indent)


def _items(lines: list[str], indent: int) -> tuple[list[Any], list[str]]:
    items: list[Any] = []
    while lines and _indent(lines[0]) == indent and lines[0].lstrip().startswith("- "):
        inner = " " * (indent + 2) + lines[0][indent + 2 :]
        item: Any
        if _KEY.match(inner.strip()):
            item, lines = _pairs([inner, *lines[1:]], indent + 2)
        elif inner.strip() == "|":
            item, lines = _literal(lines[1:])
        else:
            item, lines = _scalar(inner.strip()), lines[1:]
        items.append(item)
    return items, lines


def _pairs(lines: list[str], indent: int) -> tuple[dict[str, Any], list[str]]:
    pairs: dict[str, Any] = {}
    while lines and _indent(lines[0]) == indent:
        match = _KEY.match(lines[0].strip())
        if match is None or match[1] in pairs:
            raise ValueError(f"no key, or one more of its name: {lines[0]!r}")
        value, lines = match[2], lines[1:]
        inner = _indent(lines[0]) if lines else -1
        if value == "|":
            pairs[match[1]], lines = _literal(lines)
        elif value is None:
            if inner < indent or (inner == indent and not lines[0].lstrip().startswith("- ")):
                raise ValueError(f"nothing under {match[1]!r}")
            pairs[match[1]], lines = _block(lines, inner)
        else:
            pairs[match[1]] = _scalar(value)
    return pairs, lines


def _literal(lines: list[str]) -> tuple[str, list[str]]:
    indent = _indent(lines[0])
    taken = next((n for n, line in enumerate(lines) if line.strip() and _indent(line) < indent), len(lines))
    return "\n".join(line[indent:] for line in lines[:taken]).rstrip() + "\n", lines[taken:]


def _scalar(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_scalar(part.strip()) for part in text[1:-1].split(",")]
    if _QUOTED.match(text):
        return text[1:-1]
    if _BEGINS.match(text) or _HOLDS.search(text):
        raise ValueError(f"not sure what this is: {text!r}")
    return {"true": True, "false": False}.get(text, int(text) if text.isdigit() else text)
