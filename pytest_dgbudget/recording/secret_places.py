"""Secrets that are known by where they stand: under a key that names one, in an endpoint's headers, in a URL.

What Settings may hold: the vendor's AsyncAPI file (``endpoint.headers``, ``endpoint.url``, ``credentials`` of Bedrock
and Polly). ``note`` is called with each text that is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from pytest_dgbudget.recording.known_secrets import SCRUBBED
from pytest_dgbudget.recording.lines import parse_json

Note = Callable[[str], None]

_SECRET_ENDINGS = (
    *("accesskey", "accesskeyid", "apikey", "authorization", "cookie", "passphrase", "passwd", "password"),
    *("privatekey", "secret", "secretkey", "token"),
)
_COUNTS = ("max", "min", "num", "total")
# JSON within JSON, within JSON; what is deeper is searched as text.
_DEEPEST = 6

_user_of_url = re.compile(r"(//)([^/?#\s\"'<>]+)@")
_secret_in_query = re.compile(r"(?<=[?&;#])([\w.-]{1,64})=([^\s&;#\"'<>\\]+)")
_credentials_in_header = re.compile(r"\b((?i:bearer|basic)\s{1,4})([A-Za-z0-9._~+/=-]{8,})")
_authorization = re.compile(
    r"(?i)(\bauthorization[\"'\\]{0,9}\s{0,9}[:=]\s{0,9}[\"'\\]{0,9}(?:[a-z]{1,16}\s{1,4})?)([^\s\"'\\,;}]+)"
)
_named_value = re.compile(
    r"(?<![\w.-])([A-Za-z_][\w.-]{0,63})([\"'\\]{0,9}\s{0,9}[:=]\s{0,9}\\{0,7})"
    r"(\"[^\"\\]*(?:\\.[^\"\\]*)*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s,;&\"'{}\[\]]+)",
    re.DOTALL,
)
_block = re.compile(r"(?<![\w.-])([A-Za-z_][\w.-]{0,63})[\"'\\]{0,9}\s{0,9}[:=]\s{0,9}[{\[]")
_quoted = re.compile(r"\"([^\"\\]*(?:\\.[^\"\\]*)*)(?:\"(\s*:)?|\Z)", re.DOTALL)


def names_a_secret(key: str) -> bool:
    """True for keys such as ``api_key`` or ``X-Auth-Token``; not for counts, such as ``max_tokens``."""
    name = re.sub(r"[^a-z0-9]", "", key.lower())
    if name.endswith("token") and name.startswith(_COUNTS):
        return False
    return name.endswith(_SECRET_ENDINGS) or (name.startswith("secret") and not name.startswith("secretar"))


def replace_by_place(value: Any, note: Note, depth: int = 0) -> Any:
    """Return JSON, and what is JSON in its strings, with a mark for each secret; what has none is as it was."""
    if isinstance(value, str):
        return _in_string(value, note, depth)
    if isinstance(value, list):
        return [replace_by_place(each, note, depth) for each in value]
    if isinstance(value, dict):
        return {key: _in_field(key, each, note, depth, is_schema=False) for key, each in value.items()}
    return value


def _in_field(key: str, value: Any, note: Note, depth: int, *, is_schema: bool) -> Any:
    name = key.lower()
    if isinstance(value, dict) and is_schema:
        return replace_by_place(value, note, depth)
    if name == "credentials" or names_a_secret(key):
        return _all_replaced(value, note)
    if name == "endpoint":
        return _in_endpoint(value, note, depth)
    if name == "properties" and isinstance(value, dict):
        # Of a function's parameters: the description of a password is none.
        return {each: _in_field(each, inner, note, depth, is_schema=True) for each, inner in value.items()}
    return replace_by_place(value, note, depth)


def _in_endpoint(value: Any, note: Note, depth: int) -> Any:
    if not isinstance(value, dict):
        return replace_by_place(value, note, depth)
    replaced = {}
    for key, inner in value.items():
        if key.lower() == "headers":
            replaced[key] = _all_replaced(inner, note)
        elif key.lower() == "url" and isinstance(inner, str):
            replaced[key] = _in_url(inner, note)
        else:
            replaced[key] = _in_field(key, inner, note, depth, is_schema=False)
    return replaced


def _all_replaced(value: Any, note: Note) -> Any:
    if isinstance(value, dict):
        return {key: _all_replaced(each, note) for key, each in value.items()}
    if isinstance(value, list):
        return [_all_replaced(each, note) for each in value]
    if value is None or isinstance(value, bool):
        return value
    return _marked(str(value), note)


def _marked(secret: str, note: Note) -> str:
    """Note a secret, and what of it may be repeated alone: the credential after its scheme, a URL's in plain text."""
    after_scheme = secret.strip().partition(" ")[2]
    for each in dict.fromkeys((secret, unquote_plus(secret), after_scheme, *secret.split())):
        note(each)
    return SCRUBBED


def _in_url(url: str, note: Note) -> str:
    """An endpoint's URL: who asks, and all that its query says."""
    begin, mark, rest = re.fullmatch(r"([^?#]*)([?#]?)(.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]
    pairs = [pair.partition("=") for pair in re.split("[&;#?]", rest)] if mark else []
    query = "&".join(f"{name}={_marked(value, note)}" if sep else _marked(name, note) for name, sep, value in pairs)
    return _without_user(begin, note) + mark + query


def _without_user(text: str, note: Note) -> str:
    def marked(found: re.Match[str]) -> str:
        note(found[2].partition(":")[2])
        note(unquote_plus(found[2].partition(":")[2]))
        return f"{found[1]}{_marked(found[2], note)}@"

    return _user_of_url.sub(marked, text)


def _in_string(text: str, note: Note, depth: int) -> str:
    inner = parse_inner(text, depth)
    if inner is not None:
        replaced = replace_by_place(inner, note, depth + 1)
        return text if replaced == inner else json.dumps(replaced, ensure_ascii=False)
    if text.lstrip()[:1] in ("{", "["):
        return replace_in_text(text, note)
    return _in_sentence(text, note)


def parse_inner(text: str, depth: int) -> Any:
    """Return what JSON a string holds; None where it holds none that could hide anything."""
    if depth >= _DEEPEST or text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return parse_json(text)
    except ValueError:
        return None


def _in_sentence(text: str, note: Note) -> str:
    """What people and programs write: credentials in URLs and headers, and nothing that only looks like one."""
    if "//" in text:
        text = _without_user(text, note)
    if "=" in text:
        text = _secret_in_query.sub(lambda found: _if_secret(found, note), text)
    text = _credentials_in_header.sub(lambda found: found[1] + _marked(found[2], note), text)
    return _authorization.sub(lambda found: found[1] + _kept_mark(found[2], note), text)


def _if_secret(found: re.Match[str], note: Note) -> str:
    return f"{found[1]}={_marked(found[2], note)}" if names_a_secret(found[1]) else found[0]


def _kept_mark(value: str, note: Note) -> str:
    return value if value == SCRUBBED else _marked(value, note)


def replace_in_text(text: str, note: Note) -> str:
    """Return what was meant to be JSON and is none. From headers or credentials on, nothing of it is kept."""
    block = next((found for found in _block.finditer(text) if _hides_secrets(found[1])), None)
    if block is None:
        return _in_fields(text, note)
    for found in _quoted.finditer(text[block.end() :]):
        if not found[2]:  # else it is a key
            _note_as_written(found[1], note)
    return _in_fields(text[: block.start()], note) + SCRUBBED


def _in_fields(text: str, note: Note) -> str:
    return _in_sentence(_named_value.sub(lambda found: _named(found, note), text), note)


def _hides_secrets(key: str) -> bool:
    return key.lower() in ("headers", "credentials") or names_a_secret(key)


def _named(found: re.Match[str], note: Note) -> str:
    value = found[3]
    if not _hides_secrets(found[1]):
        return f"{found[1]}{found[2]}{_in_quotes(value, note)}"
    quote = value[0] if value[0] in "\"'" else ""
    _note_as_written(value.strip("\"'\\"), note)
    return f"{found[1]}{found[2]}{quote}{SCRUBBED}{quote}"


def _in_quotes(value: str, note: Note) -> str:
    """Return a value that stands in broken JSON, and may be a string that holds JSON."""
    try:
        text = parse_json(value)
    except ValueError:
        return value
    replaced = _in_string(text, note, 1) if isinstance(text, str) else text
    return value if replaced == text else json.dumps(replaced, ensure_ascii=False)


def _note_as_written(text: str, note: Note) -> None:
    """Note a text out of broken JSON, at every level of JSON that it may have been written at."""
    for _ in range(_DEEPEST):
        _marked(text, note)
        _marked(text.partition('"')[0], note)  # the rest may be what came after it
        plain = _unescaped(text)
        if plain == text:
            return
        text = plain


def _unescaped(text: str) -> str:
    try:
        return str(parse_json(f'"{text}"'))
    except ValueError:
        return text.replace('\\"', '"').replace("\\\\", "\\")


def is_settings(payload: Any) -> bool:
    """True for messages of the client's whose secrets the vendor may repeat: Settings, and what updates them."""
    kind = payload.get("type") if isinstance(payload, Mapping) else None
    return isinstance(kind, str) and (kind == "Settings" or kind.startswith("Update"))
