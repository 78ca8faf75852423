"""Markdown as GitHub reads it: what a page consists of, and the text in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

# CommonMark as GitHub has it, HTML included, with its tables.
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def parsed(page: str) -> list[Token]:
    return PARSER.parse(page)


def inline(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield what is in each paragraph, heading and cell."""
    for token in tokens:
        if token.type == "inline":
            assert token.children is not None
            yield token.children


def text_of(children: list[Token]) -> str:
    return "".join(each.content for each in children if each.type in {"text", "code_inline", "text_special"})


def structure(page: str) -> list[str]:
    """Return what the page consists of; whatever is in a line is text and code, and links nothing."""
    tokens = parsed(page)
    for children in inline(tokens):
        kinds = {each.type for each in children if each.type != "html_inline"}
        assert kinds <= {"text", "text_special", "code_inline", "strong_open", "strong_close", "softbreak"}
        assert {each.content for each in children if each.type == "html_inline"} <= {"<code>", "</code>"}
        assert not re.search(r"@\w|#\d|GH-\d|://|www\.", plain_text(children))
    return [token.type for token in tokens]


def plain_text(children: list[Token]) -> str:
    """Return what GitHub would look for links in: nothing that is code."""
    found, is_code = [], False
    for each in children:
        is_code = each.content == "<code>" if each.type == "html_inline" else is_code
        if not is_code and each.type != "code_inline":
            found.append(each.content)
    return "".join(found)
