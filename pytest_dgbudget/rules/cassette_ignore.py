"""What of a client's messages may differ from its cassette: ``TYPE/POINTER`` each, such as ``Settings/agent/think``.

A message's type, and a JSON pointer (RFC 6901) into it; ``*`` stands for any key or element.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_ANY = "*"
_FORM = "a message's type and a JSON pointer into it, such as Settings/agent/think/prompt, with * for any element"
_type = re.compile(r"\w+")
_bad_escape = re.compile(r"~(?![01])")


class Ignored(NamedTuple):
    """A place in messages of one type; what stands there, and below it, is not compared."""

    type: str
    path: tuple[str, ...]

    def covers(self, path: tuple[str, ...]) -> bool:
        """Return whether this is the very place that ``path`` leads to."""
        return len(path) == len(self.path) and all(
            mine in (_ANY, key) for mine, key in zip(self.path, path, strict=True)
        )


@lru_cache(maxsize=256)  # each message is compared with the same few
def parse_ignore(text: str) -> Ignored:
    """Read ``TYPE/POINTER``; raises ValueError, which says what is wrong and what is accepted."""
    kind, slash, pointer = text.partition("/")
    if not _type.fullmatch(kind):
        raise ValueError(f"{text!r} does not begin with the type of a message; accepted: {_FORM}")
    if not slash:
        raise ValueError(f"{text!r} names no place in the message (all of it is {text}/*); accepted: {_FORM}")
    if _bad_escape.search(pointer):
        raise ValueError(f"{text!r} has a ~ that is neither ~0 (which means ~) nor ~1 (/); accepted: {_FORM}")
    if pointer == "type":
        raise ValueError(f"{text!r} is what messages are told apart by, and is always compared; accepted: {_FORM}")
    return Ignored(kind, path_of(f"/{pointer}"))


def path_of(pointer: str) -> tuple[str, ...]:
    """Return the keys of a JSON pointer; of the whole document there are none."""
    return tuple(map(_unescaped, pointer.split("/")[1:]))


def pointer_of(path: tuple[str, ...]) -> str:
    return "".join(f"/{escaped(key)}" for key in path)


def escaped(key: str) -> str:
    """Return a key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
