"""What is said where a client and its cassette part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.causes import CLIENT, ExpectedText, type_of
from pytest_dgbudget.cassette.differences import (
    MISSING,
    Difference,
    Path,
    differences,
    in_short,
    place_in,
    shown,
    value_lines,
    withheld,
)
from pytest_dgbudget.cassette.speech import TOLERANCE, RecordedSpeech, SentSpeech
from pytest_dgbudget.model import Mismatch, MismatchKind
from pytest_dgbudget.recording.known_secrets import SCRUBBED
from pytest_dgbudget.rules.cassette_ignore import parse_ignore, path_of
from pytest_dgbudget.units import format_time

_MOST_LEFT_OVER = 8
_MOST_OF_CONTENT = 40
# Of places that are named for dg_cassette_ignore: how many, and how many characters each.
_MOST_PLACES = 3
_LONGEST_PLACE = 100


def differing(
    expected: CassetteText, sent: Any, ignore: Iterable[str], as_recorded: Callable[[str], str] = str
) -> Iterator[Difference]:
    """Yield where a message differs from the cassette's, but for what is ignored and what the hook has scrubbed."""
    kind = type_of(expected.payload)
    rules = [rule for rule in map(parse_ignore, ignore) if rule.type == kind]
    scrubbed = set(map(path_of, expected.scrubbed))

    def is_ignored(path: Path) -> bool:
        return path in scrubbed or (path != ("type",) and any(rule.covers(path) for rule in rules))

    return differences(expected.payload, sent, is_ignored, as_recorded)


class _Sent:
    """A text that a client sent, as far as it may be shown.

    The project's hook has seen the cassettes, and not this: where it replaced something in a text of this type, what it
    replaces may stand here anywhere.
    """

    def __init__(self, payload: Any, cassettes: Iterable[Cassette]) -> None:
        self.payload = payload
        texts = (event for each in cassettes for event in each.events if isinstance(event, CassetteText))
        self._is_hidden = any(text.scrubbed and type_of(text.payload) == type_of(payload) for text in texts)

    @property
    def name(self) -> str:
        return name({"type": type_of(self.payload)} if self._is_hidden else self.payload)

    def beside(self, expected: Any) -> tuple[str, str]:
        """Return the lines of the whole message and of that which the cassette has, or of ``MISSING``."""
        whole = Difference((), expected, self.payload)
        return value_lines(expected, withheld(whole).sent if self._is_hidden else self.payload)

    def visible(self, found: Sequence[Difference]) -> Sequence[Difference]:
        return [*map(withheld, found)] if self._is_hidden else found

    def is_of_type(self, expected: Any) -> bool:
        return type(expected) is type(self.payload) and type_of(expected) == type_of(self.payload)


def other_settings(
    cassette: Cassette, text: CassetteText | None, payload: Any, found: Sequence[Difference], all_: Sequence[Cassette]
) -> Mismatch:
    """None of all cassettes has such Settings; this one is the nearest."""
    sent = _Sent(payload, all_)
    if text is None:
        return _mismatch(cassette, None, f"The client sent {sent.name}; the cassette has no text of a client's")
    if not sent.is_of_type(text.payload):
        return _expected_next(cassette, text, sent)
    whose = "the cassette's" if len(all_) == 1 else f"those of any of {len(all_)} cassettes; this is the nearest"
    return _other_content(cassette, text, f"The client's {sent.name} are not {whose}", sent.visible(found))


def other_text(
    cassette: Cassette,
    text: CassetteText,
    payload: Any,
    found: Sequence[Difference],
    matched: Sequence[ExpectedText],
    later: Sequence[ExpectedText],
    as_recorded: Callable[[str], str],
) -> Mismatch:
    """The client sent something else than ``text``; ``matched`` is what it had sent, ``later`` what follows."""
    sent = _Sent(payload, [cassette])
    if any(_is(each, payload, as_recorded) for each in matched[-1:]):
        what = f"The client sent {sent.name} twice; the cassette expects {name(text.payload)} next"
        return _mismatch(cassette, text, what, sent.beside(text.payload))
    skipped = next((number for number, each in enumerate(later) if _is(each, payload, as_recorded)), None)
    if skipped is not None:
        left_out = name(text.payload) + (f" and {skipped} more" if skipped else "")
        what = f"The client left out {left_out}: it sent {sent.name}, which the cassette has after that"
        return _mismatch(cassette, text, what, sent.beside(text.payload))
    if not sent.is_of_type(text.payload):
        return _expected_next(cassette, text, sent)
    what = f"The client's {name(text.payload)} is not the cassette's"
    return _other_content(cassette, text, what, sent.visible(found))


def unexpected_text(
    cassette: Cassette, payload: Any, matched: Sequence[ExpectedText], as_recorded: Callable[[str], str]
) -> Mismatch:
    """The client sent what the cassette has no place for, after all that it has of such a text."""
    sent = _Sent(payload, [cassette])
    same = next((each.text for each in matched if _is(each, payload, as_recorded)), None)
    again = "" if same is None else " once more"
    what = f"The client sent {sent.name}{again}; the cassette expects no such message any more"
    last = max((each.text for each in matched), key=lambda text: text.at_ms, default=None)
    return _mismatch(cassette, same or last, what, sent.beside(MISSING))


def missing_text(cassette: Cassette, expected: ExpectedText, waited_ms: float) -> Mismatch:
    """The client was waited for, since what came before it or longer."""
    text = expected.text
    took_ms, waited = text.at_ms - expected.after_ms, format_time(round(waited_ms))
    took = f"{format_time(took_ms)} after" if took_ms > 0 else "right after"
    what = (
        f"The client has not sent {name(text.payload)} within {waited}; in the recording it came {took} "
        f"{_before(expected)}"
    )
    return _mismatch(cassette, text, what, value_lines(text.payload, MISSING))


def missing_speech(
    cassette: Cassette,
    recorded: RecordedSpeech,
    sent: SentSpeech,
    what: str,
    needed: int,
    left: Sequence[Any],
    kind: MismatchKind = "audio",
) -> Mismatch:
    """The user has said less than ``needed`` bytes; ``left`` begins with what would come then."""
    following = left[0] if left and isinstance(left[0], CassetteText) else None
    if following is not None:
        what += f"; the cassette expects more of the user's speech before {name(following.payload)}"
    lines = (
        f"  expected {_duration(recorded, needed)} of speech, without silence",
        f"  sent     {_duration(recorded, sent.size)}",
    )
    allowed_by = ("any",) if sent.rule != "any" and sent.size else ()
    return _mismatch(cassette, following, what, lines, kind=kind, allowed_by=allowed_by)


def other_speech(cassette: Cassette, recorded: RecordedSpeech, sent: SentSpeech) -> Mismatch:
    """The speech is not the cassette's: another sample, or too much of it."""
    if sent.rule == "length" or not recorded.has(sent.size):
        most = f", by more than {TOLERANCE} %" if sent.rule == "length" else ""
        lines = (
            f"  expected {_duration(recorded, recorded.size)} of speech, without silence",
            f"  sent     {_duration(recorded, sent.size)}, and perhaps more",
        )
        what = f"The user says more than the cassette has{most}"
        return _mismatch(cassette, None, what, lines, kind="audio", allowed_by=("any",))
    at = _duration(recorded, sent.agrees)
    what = f"The user's audio is not the cassette's: it differs after {at} of speech"
    return _mismatch(cassette, None, what, kind="audio", allowed_by=("length", "any"))


def unplayable(cassette: Cassette, error: Exception) -> Mismatch:
    """Something of ours has failed."""
    return _mismatch(cassette, None, f"The gateway failed to play the cassette ({type(error).__name__})")


def left_over(cassette: Cassette, left: Sequence[CassetteText]) -> Mismatch:
    """The client closed before all of these had passed."""
    first = left[0]
    who = "it had sent" if first.side == CLIENT else "the agent had sent"
    lines = [f"  line {each.line}: {name(each.payload)}" for each in left[:_MOST_LEFT_OVER]]
    if len(left) > _MOST_LEFT_OVER:
        lines.append(f"  … and {len(left) - _MOST_LEFT_OVER} more")
    what = f"The client closed before {who} {name(first.payload)}"
    return _mismatch(cassette, first, what, lines, kind="left-over")


def _before(expected: ExpectedText) -> str:
    if expected.call is not None:
        return "its FunctionCallRequest"
    if expected.after is None:
        return "the dial"
    return name(expected.after.payload) if isinstance(expected.after, CassetteText) else "the agent's audio"


def name(payload: Any) -> str:
    """Return what a message is called in a sentence: its type, and what tells it from others of that type."""
    kind = type_of(payload)
    if kind is None:
        return "a message without a type"
    if kind == "FunctionCallResponse" and isinstance(payload.get("name"), str):
        return in_short(f"{kind} of {payload['name']}", _MOST_OF_CONTENT)
    if kind == "ConversationText" and isinstance(payload.get("content"), str):
        return f'{kind} "{in_short(payload["content"], _MOST_OF_CONTENT)}"'
    return in_short(kind, _MOST_OF_CONTENT)


def _expected_next(cassette: Cassette, text: CassetteText, sent: _Sent) -> Mismatch:
    what = f"The cassette expects {name(text.payload)} next; the client sent {sent.name}"
    return _mismatch(cassette, text, what, sent.beside(text.payload))


def _other_content(cassette: Cassette, text: CassetteText, what: str, found: Sequence[Difference]) -> Mismatch:
    """A text of the same type differs: what differs can be ignored where dg_cassette_ignore can name it."""
    kind = type_of(text.payload)
    lines = shown(kind, found)
    if kind is None or not all(_can_be_ignored(kind, each.path) for each in found):
        return _mismatch(cassette, text, what, lines)
    places = [*dict.fromkeys(place_in(kind, each.path) for each in found)]
    are_few = len(places) <= _MOST_PLACES and all(len(place) <= _LONGEST_PLACE for place in places)
    return _mismatch(cassette, text, what, lines, kind="content", allowed_by=places if are_few else ())


def _can_be_ignored(kind: str, path: Path) -> bool:
    place = place_in(kind, path)
    try:
        return place == place.strip() and place.isprintable() and parse_ignore(place).covers(path)
    except ValueError:
        return False


def _is(expected: ExpectedText, sent: Any, as_recorded: Callable[[str], str]) -> bool:
    """Return whether this was sent then; not where a text of any words would do, which tells nothing."""
    if expected.text.scrubbed or next(differing(expected.text, sent, (), as_recorded), None) is not None:
        return False
    return str(expected.text.payload).count(SCRUBBED) <= str(sent).count(SCRUBBED)


def _duration(recorded: RecordedSpeech, size: int) -> str:
    seconds = recorded.seconds(size)
    return f"{size} bytes" if seconds is None else format_time(round(seconds * 1000))


def _mismatch(
    cassette: Cassette,
    text: CassetteText | None,
    what: str,
    lines: Iterable[str] = (),
    *,
    kind: MismatchKind = "messages",
    allowed_by: Iterable[str] = (),
) -> Mismatch:
    return Mismatch(
        cassette=str(cassette.folder),
        line=None if text is None else text.line,
        what=f"{what}.",
        differences=tuple(lines),
        kind=kind,
        allowed_by=tuple(allowed_by),
    )
