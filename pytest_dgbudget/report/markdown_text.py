"""Texts of others in GitHub's Markdown: they neither end what they are in nor begin anything, and notify nobody."""

from __future__ import annotations

import re

from pytest_dgbudget.report.plain_text import cut, harmless

LONGEST_NAME = 200
_LONGEST_TEXT = 1000
_BLANK = "(blank)"
# Between these there is a blank of no width: GitHub would link them, and notify whom they name.
_GAP = "&#8203;"
_REFERENCE = re.compile(r"@|(?:#|GH-)(?=\d)|:(?=//)|www(?=\.)", re.IGNORECASE)
_SPECIAL = re.compile(r"[\\`*\[\]|~<>&$]|(?<![^\W_])_|_(?![^\W_])")
# What begins a list, a heading, a quotation or a line.
_BEGINNING = re.compile(r"^(\d*)([-+.)#>=])")
_NEEDS_HTML = re.compile(r"[|`\\]|^\s*$")


def in_text(text: str) -> str:
    """Return a text for a line of its own, or a part of one."""
    shown = cut(harmless(text).strip(), _LONGEST_TEXT) or _BLANK
    return _BEGINNING.sub(r"\1\\\2", escaped(shown))


def escaped(text: str) -> str:
    """Return a text that is shown as it is where something of ours stands before it in its line."""
    return _REFERENCE.sub(rf"\g<0>{_GAP}", _SPECIAL.sub(r"\\\g<0>", harmless(text)))


def in_code(text: str) -> str:
    """Return a name as code, in a line or in a table's cell.

    A cell ends at a bar, in code as well, and parsers differ on one after a backslash: such a name is HTML.
    """
    name = cut(harmless(text), LONGEST_NAME)
    return f"<code>{''.join(map(_in_html, name))}</code>" if _NEEDS_HTML.search(name) else f"`{name}`"


def in_cell(figure: str) -> str:
    """Return a figure of ours for a table's cell; its marks, ``~`` and ``*``, would strike through and emphasize."""
    return figure.replace("~", r"\~").replace("*", r"\*")


def _in_html(character: str) -> str:
    """Return an ASCII character that may mean something to Markdown or HTML as its number."""
    is_plain = character.isalnum() or character == " " or not character.isascii()
    return character if is_plain else f"&#{ord(character)};"
