"""Secrets that are known by their value: found in every way in which JSON, nested JSON and URLs write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

SCRUBBED = "[scrubbed]"
# What is shorter can stand anywhere by chance.
_SHORTEST = 8
# More than Settings hold by far; each text is searched for all of it.
_MOST_CHARACTERS = 32 * 1024
# No word: with letters and digits, and without blanks.
_DISTINCT = re.compile(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])\S{12,}")
# Every level of JSON within JSON doubles the backslashes: six levels.
_ESCAPED = r"(?<!\\)\\{1,63}"
_SHORT_ESCAPES = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", '"': '"', "/": "/"}
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


class KnownSecrets:
    """A session's secrets. ``too_many``: there were more than can be looked for, and no text is free of them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: set[str] = set()
        self._longest_first: list[str] = []
        self._in_any_form: re.Pattern[str] | None = None
        self._characters = 0
        self.too_many = False
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str) -> None:
        """Look for this from now on, unless it is too short to be told from other text."""
        if len(secret) < _SHORTEST or secret in self._secrets or secret in SCRUBBED or self.too_many:
            return
        self._characters += len(secret)
        self.too_many = self._characters > _MOST_CHARACTERS
        self._secrets.add(secret)
        self._longest_first = sorted(self._secrets, key=len, reverse=True)
        self._in_any_form = None

    def learn_if_distinct(self, secret: str) -> None:
        """Look for this as well unless it may be a word, and as long as there is room for what must be looked for."""
        if _DISTINCT.fullmatch(secret) and self._characters + len(secret) <= _MOST_CHARACTERS // 2:
            self.learn(secret)

    def replace_in(self, text: str) -> str:
        """Return a text with each secret replaced, also where it is escaped."""
        # A shorter secret may be a part of a longer one: what is escaped is looked for first.
        if self._secrets and ("\\" in text or "%" in text):
            return self._pattern().sub(SCRUBBED, text)
        for secret in self._longest_first:
            if secret in text:
                text = text.replace(secret, SCRUBBED)
        return text

    def stand_in(self, text: str) -> bool:
        """True when a secret stands in a text as it is."""
        return any(secret in text for secret in self._longest_first)

    def _pattern(self) -> re.Pattern[str]:
        if self._in_any_form is None:
            # What a match can begin with is looked at first: most places are none.
            beginnings = "".join({re.escape(secret[0]) for secret in self._secrets})
            forms = "|".join(map(_in_any_form, self._longest_first))
            self._in_any_form = re.compile(rf"(?=[{beginnings}\\%])(?:{forms})")
        return self._in_any_form


def _in_any_form(secret: str) -> str:
    parts = re.findall(r"\\+|[^\\]", secret)
    return "".join(
        _backslashes(len(part)) if part[0] == "\\" else _forms(part, "" if before[-1:] == "\\" else _ESCAPED)
        for before, part in zip(["", *parts], parts, strict=False)
    )


def _backslashes(number: int) -> str:
    """Return a pattern for a run of them, with those that escape what follows."""
    return rf"(?:\\{{{number},255}}|(?:{_ESCAPED}u005[cC]){{{number}}}|(?:%5[cC]){{{number}}})"


@lru_cache(maxsize=1024)
def _forms(character: str, escaped: str) -> str:
    """Return a pattern for one character, as it is or in any of its escaped forms."""
    forms = [re.escape(character), escaped + "u" + (_ESCAPED + "u").join(_utf16(character))]
    if character in _SHORT_ESCAPES:
        forms.append(escaped + _SHORT_ESCAPES[character])
    if not _UNRESERVED.fullmatch(character):
        forms.append("".join("%" + _any_case(f"{byte:02x}") for byte in character.encode("utf-8", "surrogatepass")))
    return f"(?:{'|'.join(forms)})"


def _utf16(character: str) -> list[str]:
    encoded = character.encode("utf-16-be", "surrogatepass").hex()
    return [_any_case(encoded[at : at + 4]) for at in range(0, len(encoded), 4)]


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)
