"""What a recording must not hold is replaced, before anything reaches a disk: secrets, and what users name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pytest_dgbudget.recording.known_secrets import SCRUBBED, KnownSecrets
from pytest_dgbudget.recording.lines import LEFT_OUT, NOT_JSON, to_json
from pytest_dgbudget.recording.secret_places import (
    is_settings,
    parse_inner,
    replace_by_place,
    replace_in_text,
)


class Scrubber:
    """Scrubs the messages of one session, which are given in order.

    ``secrets`` are known from the start; those in the client's Settings, and in what updates them, from then on, so
    that they are replaced wherever the vendor repeats them. So are those in any other message, such as a function's
    answer, unless they may be words. Shorter ones than 8 characters are replaced where they stood alone.
    ``patterns``: what matches is replaced in every string and number. ``hook`` is applied to every string last; one
    that raises, or returns something else, loses the string.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        patterns: Sequence[re.Pattern[str]] = (),
        hook: Callable[[str], str] | None = None,
    ) -> None:
        self._known = KnownSecrets(secrets)
        self._patterns = patterns
        self._hook = hook

    def scrub(self, payload: Any, *, from_client: bool = False) -> Any:
        """Return a payload without its secrets; what can't be searched is left out."""
        note = self._known.learn if from_client and _may_be_settings(payload) else self._known.learn_if_distinct
        try:
            scrubbed = self._everywhere(_by_place(payload, note), 0)
        except RecursionError:
            return _left_out(payload)
        if self._known.too_many or self._known.stand_in(to_json(scrubbed).decode()):
            return _left_out(payload)
        return scrubbed

    def _everywhere(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._in_string(value, depth)
        if isinstance(value, list):
            return [self._everywhere(each, depth) for each in value]
        if isinstance(value, dict):
            return {self._in_key(key): self._everywhere(each, depth) for key, each in value.items()}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value if self._in_key(str(value)) == str(value) else SCRUBBED
        return value

    def _in_string(self, text: str, depth: int) -> str:
        inner = parse_inner(text, depth)
        if inner is not None:
            scrubbed = self._everywhere(inner, depth + 1)
            text = text if scrubbed == inner else to_json(scrubbed).decode()
        return self._hooked(self._in_key(text))

    def _in_key(self, text: str) -> str:
        text = self._known.replace_in(text)
        for pattern in self._patterns:
            text = pattern.sub(_mark, text)
        return text

    def _hooked(self, text: str) -> str:
        if self._hook is None:
            return text
        try:
            hooked = self._hook(text)
        except Exception:
            return SCRUBBED
        return hooked if isinstance(hooked, str) else SCRUBBED


def _mark(found: re.Match[str]) -> str:
    return SCRUBBED if found[0] else ""


def _is_text(payload: Any) -> bool:
    return isinstance(payload, dict) and payload.get("type") == NOT_JSON


def _may_be_settings(payload: Any) -> bool:
    return is_settings(payload) or _is_text(payload)


def _by_place(payload: Any, note: Callable[[str], None]) -> Any:
    if not _is_text(payload):
        return replace_by_place(payload, note)
    text = payload["text"]
    inner = parse_inner(text, 0)
    return {**payload, "text": replace_in_text(text, note) if inner is None else replace_by_place(text, note)}


def _left_out(payload: Any) -> dict[str, Any]:
    return {"type": LEFT_OUT, "bytes": len(to_json(payload))}
