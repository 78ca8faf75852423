"""What looks like a secret, wherever it stands: nothing told us of it.

Ids, hashes and what people say must not look like one, for then a cassette can't be written.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from pytest_dgbudget.recording.known_secrets import SCRUBBED
from pytest_dgbudget.recording.secret_places import names_a_secret
from pytest_dgbudget.rules.cassette_ignore import escaped

# Escapes, as of JSON within JSON, and base64 within one another.
_DEEPEST = 6
# A text may have 128 KiB, and anything in it: no expression looks far ahead from where it may begin.
_ALONE = "(?<![A-Za-z0-9])"
_COMMIT = "".join(f"(?<!{before})" for before in ("commit ", "/commit/", "/tree/", "/blob/", "sha1:", "sha1-", "sha1="))
_HEX_KEY = "(?=[0-9A-Fa-f]*[0-9])(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{40}(?![A-Za-z0-9])"
_LONG = "[A-Za-z0-9_-]{0,64}?(?=[A-Za-z]{0,40}[0-9])[A-Za-z0-9]{16,}"
_SHAPES = [
    (kind, re.compile(shape))
    for kind, shape in (
        ("an API key of 40 hexadecimal digits", _COMMIT + _ALONE + _HEX_KEY),
        ("a JSON Web Token", rf"{_ALONE}eyJ[\w-]{{8,1024}}\.[\w-]{{8}}"),
        ("a private key", r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY"),
        ("an access key of AWS", rf"{_ALONE}(?:AKIA|ASIA)[0-9A-Z]{{16}}(?![0-9A-Z])"),
        ("a Google key", rf"{_ALONE}(?:AIza[\w-]{{35}}|GOCSPX-[\w-]{{20}}|ya29\.[\w-]{{20}})"),
        ("a GitHub or GitLab token", rf"{_ALONE}(?:gh[pousr]_[A-Za-z0-9]{{36}}|github_pat_\w{{22}}|glpat-[\w-]{{20}})"),
        ("a Slack token", rf"{_ALONE}xox[a-z]-[A-Za-z0-9-]{{10}}|hooks\.slack\.com/services/\w+/\w+/\w"),
        ("a Stripe key", rf"{_ALONE}(?:[rs]k_(?:live|test)_|whsec_)[A-Za-z0-9]{{16}}"),
        # OpenAI, Anthropic, ElevenLabs, Cartesia; Groq, Hugging Face, xAI, NVIDIA, Perplexity; npm, PyPI, SendGrid …
        ("an API key", rf"{_ALONE}(?:sk[-_]|gsk_|hf_|xai-|nvapi-|pplx-|npm_|pypi-|dop_v1_|shpat_|SG\.){_LONG}"),
        ("a user's credentials in a URL", rf"//(?!{re.escape(SCRUBBED)}@)[^\s/?#\"'<>@]{{1,256}}@"),
    )
]
_CREDENTIALS = re.compile(r"(?i)\b(?:bearer|basic|token)[\s:]{1,4}([A-Za-z0-9._~+/=-]{16,200})")
_NAMED = re.compile(
    r"(?<![\w.-])([A-Za-z_][\w.-]{0,63})[\"'\\\]]{0,9}\s{0,4}(?:[:=]|=>)[\s\"'\\[]{0,9}(?=([^\s\"'\\,;&{}<>]{16,200}))"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}")
_ESCAPED = re.compile(r"\\+(?:u([0-9A-Fa-f]{4})|[bfnrt\"'/])")
_NAMES = ("key", "sig", "signature", "auth", "pass", "pwd", "credential", "credentials", "jwt")
_HARMLESS = ("public", "idempotency", "cache", "primary", "foreign", "partition", "sort", "thought")


def find_secret(value: Any) -> tuple[str, str] | None:
    """Return where in JSON something looks like a secret, as a JSON Pointer without it, and what it looks like."""
    return next(_found_in(value, "", ""), None)


def _found_in(value: Any, name: str, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if (kind := kind_of_secret(key)) is not None:
                yield pointer, f"{kind}, as a name"
            else:
                yield from _found_in(inner, key, f"{pointer}/{escaped(key)}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _found_in(inner, name, f"{pointer}/{number}")
    elif value is not None and (kind := _kind_of_field(name, str(value))) is not None:
        yield pointer, kind


def kind_of_secret(text: str, depth: int = 0) -> str | None:
    """Return what a text holds that looks like a secret, also where it is written another way; else None."""
    for kind, shape in _SHAPES:
        if shape.search(text):
            return kind
    if any(_looks_random(found[1]) for found in _CREDENTIALS.finditer(text)):
        return "the credentials of a request"
    for found in _NAMED.finditer(text):
        if _names_one(found[1]) and _looks_random(found[2]):
            return "a random value with a secret's name"
    if depth == _DEEPEST:
        return None
    return next((kind for kind in (kind_of_secret(each, depth + 1) for each in _readings(text)) if kind), None)


def _kind_of_field(name: str, text: str) -> str | None:
    if _names_one(name) and _looks_random(text):
        return "a random value with a secret's name"
    return kind_of_secret(text)


def _readings(text: str) -> Iterator[str]:
    """Yield what else a text may be read as: its escapes, percent encoding and base64 undone."""
    if "\\" in text:
        yield _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", text)
    if "%" in text and (unquoted := unquote(text)) != text:
        yield unquoted
    for found in _BASE64.finditer(text):
        if (decoded := _decoded(found[0])) is not None:
            yield decoded


def _decoded(encoded: str) -> str | None:
    """Return what printable text stands in base64."""
    whole = encoded[: len(encoded) // 4 * 4] if len(encoded) % 4 == 1 else encoded + "=" * (-len(encoded) % 4)
    try:
        text = base64.b64decode(whole.replace("-", "+").replace("_", "/")).decode()
    except (binascii.Error, ValueError):
        return None
    return text if text.isprintable() or text.replace("\n", "").isprintable() else None


def _names_one(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return names_a_secret(name) or (plain.endswith(_NAMES) and not plain.startswith(_HARMLESS))


def _looks_random(text: str) -> bool:
    """True where a piece of a text is long and changes between digits and letters all the time, as no word does."""
    return any(len(piece) >= 16 and _changes(piece) >= len(piece) / 4 for piece in re.split(r"[^A-Za-z0-9]+", text))


def _changes(piece: str) -> int:
    kinds = ["digit" if each.isdigit() else "upper" if each.isupper() else "lower" for each in piece]
    return sum(one != other for one, other in pairwise(kinds)) if "digit" in kinds else 0
