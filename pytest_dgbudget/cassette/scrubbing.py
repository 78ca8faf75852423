"""What a cassette must not hold: the project's hook takes it out, and what still looks like a secret refuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.secret_shapes import find_secret
from pytest_dgbudget.cassette.writing import DEEPEST, RECORDING_FILE, SIDE_NAMES, depth_of
from pytest_dgbudget.errors import CassetteError, CassetteRefused
from pytest_dgbudget.recording.lines import LEFT_OUT
from pytest_dgbudget.recording.scrubbing import Scrubber
from pytest_dgbudget.rules.cassette_ignore import escaped

Scrub = Callable[[str], str]


def without_secrets(cassette: Cassette, scrub: Scrub | None, number: int) -> Cassette:
    """Return a cassette whose texts went through ``scrub``. ``number`` is its session's, for an error.

    Raises CassetteRefused where something looks like a secret then, CassetteError where a text can't be searched.
    """
    scrubber = Scrubber((), hook=scrub)
    events = []
    for event in cassette.events:
        if isinstance(event, CassetteText):
            event = _scrubbed(event, scrubber, f"line {event.line} of session {number} ({SIDE_NAMES[event.side]})")
        events.append(event)
    reason = scrubber.scrub({"close_reason": cassette.facts.close_reason}).get("close_reason", "")
    _require_none({"close_reason": reason}, None, f"{RECORDING_FILE} of session {number}")
    return replace(cassette, events=tuple(events), facts=replace(cassette.facts, close_reason=reason))


def _scrubbed(text: CassetteText, scrubber: Scrubber, where: str) -> CassetteText:
    if depth_of(text.payload) > DEEPEST:
        raise CassetteError(f"{where} is nested too deeply")
    payload = scrubber.scrub(text.payload, from_client=text.side == "client_to_server")
    if isinstance(payload, dict) and payload.get("type") == LEFT_OUT:
        raise CassetteError(f"{where} can't be searched for secrets")
    _require_none(payload, text.line, where)
    pointers = dict.fromkeys((*text.scrubbed, *differences(text.payload, payload)))
    return replace(text, payload=payload, scrubbed=tuple(pointers))


def _require_none(message: Any, line: int | None, where: str) -> None:
    found = find_secret(message)
    if found is not None:
        pointer, kind = found
        raise CassetteRefused(
            f"{where} has {kind}{f' at {pointer}' if pointer else ''}, or what looks like one. "
            "Have dg_scrub or the hook pytest_dgbudget_scrub replace it",
            kind=kind,
            line=line,
            pointer=pointer,
        )


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[str]:
    """Yield JSON Pointers of what differs, as far down as both have the same form."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key, value in before.items():
            yield from differences(value, after[key], f"{pointer}/{escaped(key)}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{pointer}/{number}")
    elif before != after:
        yield pointer
