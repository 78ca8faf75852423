"""Other people's text on a terminal, which obeys what it prints."""

from __future__ import annotations


def harmless(text: str, encoding: str = "utf-8") -> str:
    r"""Return text in one line that moves no cursor, turns no direction and can be written in this encoding.

    What a terminal would obey (control characters, newlines and tabs, marks of direction), what nobody sees, lone
    surrogates and what the encoding lacks becomes its escape: ``\x1b``, ``\n``, ``\u202e``, ``\ud800``.
    """
    shown = "".join(each if each.isprintable() else _escaped(each) for each in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
