"""Elements of HTML and SVG, of which the whole page is made.

Whatever is not ``Markup`` is text, and is escaped. Characters that change how other text is shown, or that no document
may hold, are shown as what they are: ``\\x1b``, ``\\u202e``, ``\\ud800``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

# The longest text that is shown whole; of a longer one, its ends.
_LONGEST = 1000
LONGEST_NAME = 240
_VOID = frozenset({"br", "col", "input", "link", "meta", "wbr"})
_REPLACED: Mapping[str, str] = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
# C0 but for tab and newline, DEL and C1, marks that reorder text, halves of surrogate pairs, tags that nobody sees, and
# what is no character.
_SPECIAL = re.compile(
    "[&<>\"'\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


class Markup(NamedTuple):
    """HTML that is right as it is: it was made by ``element``, or is a file of this package."""

    html: str


Child: TypeAlias = "Markup | str | int | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element; a child or an attribute that is None is left out.

    An attribute's name is written with ``_`` for ``-``, and with one at its end where it is a word of Python. Raises
    ValueError for those that the page's policy forbids.
    """
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(start if name in _VOID else f"{start}{together(*children).html}</{name}>")


def together(*children: Child) -> Markup:
    """Return children one after the other."""
    return Markup("".join(_html(child) for child in children))


def several(children: Iterable[Child], between: Child = None) -> Markup:
    """Return children with something between them."""
    return Markup(_html(between).join(_html(child) for child in children))


def name_of(text: str) -> Markup:
    """Return a name that somebody chose: it may be broken anywhere, and orders no text but its own."""
    return element("bdi", clipped(text, LONGEST_NAME))


def relative_url(path: str) -> str:
    """Return a URL of a path that is relative to the page, whatever is in it: never a scheme or a host."""
    return f"./{quote(path, errors='surrogatepass')}"


def clipped(text: str, longest: int = _LONGEST) -> str:
    """Return a text, of a very long one its ends, and how much is left out."""
    if len(text) <= longest:
        return text
    part = longest // 2
    return f"{text[:part]} … ({len(text) - 2 * part:,} characters left out) … {text[-part:]}"


def _html(child: Child) -> str:
    if isinstance(child, Markup):
        return child.html
    return "" if child is None else _escaped(clipped(str(child)))


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name == "style" or name.startswith("on"):
        raise ValueError(f"the page's policy forbids the attribute {name}")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    return _SPECIAL.sub(_replaced, text)


def _replaced(match: re.Match[str]) -> str:
    character = match[0]
    known = _REPLACED.get(character)
    if known is not None:
        return known
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
