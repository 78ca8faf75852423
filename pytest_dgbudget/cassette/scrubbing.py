"""What a cassette must not hold: the project's hook takes it out, and what still looks like a secret refuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.errors import CassetteError
from pytest_dgbudget.recording.lines import LEFT_OUT
from pytest_dgbudget.recording.scrubbing import Scrubber

Scrub = Callable[[str], str]


def without_secrets(cassette: Cassette, scrub: Scrub | None) -> Cassette:
    """Return a cassette whose texts went through ``scrub``; raises CassetteRefused."""
    if scrub is None:
        return cassette
    scrubber = Scrubber((), hook=scrub)
    events = tuple(_scrubbed(each, scrubber) if isinstance(each, CassetteText) else each for each in cassette.events)
    reason = scrubber.scrub({"close_reason": cassette.facts.close_reason}).get("close_reason", "")
    return replace(cassette, events=events, facts=replace(cassette.facts, close_reason=reason))


def _scrubbed(text: CassetteText, scrubber: Scrubber) -> CassetteText:
    payload = scrubber.scrub(text.payload, from_client=text.side == "client_to_server")
    if isinstance(payload, dict) and payload.get("type") == LEFT_OUT:
        raise CassetteError(f"line {text.line} of it can't be searched for secrets: it is nested too deeply")
    pointers = dict.fromkeys((*text.scrubbed, *differences(text.payload, payload)))
    return replace(text, payload=payload, scrubbed=tuple(pointers))


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[str]:
    """Yield JSON pointers of what differs, as far down as both have the same form."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key, value in before.items():
            yield from differences(value, after[key], f"{pointer}/{escaped(key)}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{pointer}/{number}")
    elif before != after:
        yield pointer


def escaped(key: str) -> str:
    """Return a key as a JSON pointer has it."""
    return key.replace("~", "~0").replace("/", "~1")
