"""Other people's text on a terminal, which obeys what it prints."""

from __future__ import annotations

from typing import TypeVar, cast

T = TypeVar("T")


def harmless(text: str, encoding: str = "utf-8") -> str:
    r"""Return text in one line that moves no cursor, turns no direction and can be written in this encoding.

    What a terminal would obey (control characters, newlines and tabs, marks of direction), what nobody sees, lone
    surrogates and what the encoding lacks becomes its escape: ``\x1b``, ``\n``, ``\u202e``, ``\ud800``.
    """
    shown = text if text.isprintable() else "".join(each if each.isprintable() else _escaped(each) for each in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def harmless_line(text: str, encoding: str = "utf-8") -> str:
    """Return text that is harmless as a line of its own, which a job of GitHub's may show."""
    return no_command(harmless(text, encoding))


def no_command(line: str) -> str:
    """Return a line with a mark before it where it begins with ``::``: GitHub's runner would obey it."""
    return f"'{line}" if line.lstrip().startswith("::") else line


def cut(text: str, longest: int) -> str:
    """Return a text of ``longest`` characters at most, which keeps its beginning and more of its end."""
    if len(text) <= longest:
        return text
    of_end = 2 * (longest - 1) // 3
    return f"{text[: longest - 1 - of_end]}…{text[-of_end:]}"


def with_harmless_texts(document: T) -> T:
    """Return a copy of a document in which every text is harmless, names of fields excepted."""
    return cast(T, _harmless_texts(document))


def _harmless_texts(value: object) -> object:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict):
        return {name: _harmless_texts(each) for name, each in value.items()}
    return [_harmless_texts(each) for each in value] if isinstance(value, list) else value
