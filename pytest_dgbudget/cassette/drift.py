"""What the service does otherwise than when cassettes were recorded: each with the session that its client had again.

Pure. Compared are kinds of messages, their order and form, the close, the price and latencies; never what was said, how
many sentences it took, LatencyReports, or audio.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from typing import Literal

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio
from pytest_dgbudget.cassette.forms import FormOfMessages, audio_form
from pytest_dgbudget.cassette.latencies import latencies_of
from pytest_dgbudget.cassette.vendor_side import (
    AGENT_TEXT,
    AUDIO,
    CLOSE,
    OPTIONAL,
    USER_TEXT,
    SessionPart,
    parts_of,
    vendors_messages,
)
from pytest_dgbudget.rules.slowdown import Slowdown, slowdown

DriftRule = Literal[
    "audio-form",
    "close",
    "field-missing",
    "field-new",
    "field-type",
    "function-call",
    "latency",
    "message-doubled",
    "message-missing",
    "message-new",
    "message-order",
    "price",
    "tier",
]

# Once in a part, where it came once when recorded.
_ONCE = frozenset({"AgentAudioDone", "EndOfTurn", "History (user)", "SettingsApplied", USER_TEXT, "Welcome"})
# Speech may be heard in several pieces, each with these.
_PER_PIECE = frozenset({"EndOfTurn", "History (user)", "UserStartedSpeaking", USER_TEXT})

_OF_USER = frozenset({"EndOfTurn", "History (user)", "UserStartedSpeaking", USER_TEXT})
_OF_AGENT = frozenset({"AgentAudioDone", "AgentStartedSpeaking", "History (assistant)", AGENT_TEXT, AUDIO})
_OF_FUNCTIONS = frozenset(
    {
        "AgentThinking",
        "FunctionCallCancelled",
        "FunctionCallRequest",
        "FunctionCallResponse",
        "History (function_calls)",
    }
)
# The answer to the client's message of almost the same name, whatever else is going on.
_ACKNOWLEDGED = frozenset({"ListenUpdated", "PromptUpdated", "SpeakUpdated", "ThinkLiveUpdated", "ThinkUpdated"})
# A filler may be said before a function is called, or not; a sentence's first frame was seen before its text.
_NOT_ORDERED = (
    (_OF_AGENT - {"AgentAudioDone"}, _OF_FUNCTIONS),
    (frozenset({AUDIO}), frozenset({AGENT_TEXT, "History (assistant)"})),
)
# The rounding of what each session costs, in millionths of a dollar, and then some.
_ROUNDING = 2
_CHANGE_OF_PRICE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ServiceDrift:
    """One thing that changed, by the rule that found it. ``what`` is a sentence; ``subject`` is the same each time."""

    rule: DriftRule
    subject: str
    what: str

    @property
    def id(self) -> str:
        return f"{self.rule} {self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A cassette and the session that its client had again.

    ``missed`` are kinds of messages for which the client waited in vain; ``unanswered`` the functions that were called
    and for which the cassette has no answer; ``is_whole``: the client came to its end.
    """

    recorded: Cassette
    now: Cassette
    missed: Sequence[str] = ()
    unanswered: Sequence[str] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found: ``of_each`` by rerun, in their order; ``latencies`` by figure, with the drifts among them."""

    of_each: Sequence[Sequence[ServiceDrift]]
    latencies: Mapping[str, Slowdown]

    @property
    def drifts(self) -> list[ServiceDrift]:
        """All of them, each once."""
        return _each_once([*(drift for drifts in self.of_each for drift in drifts), *_slower(self.latencies)])

    @property
    def fingerprint(self) -> str | None:
        """What is the same for the same drifts, in whichever cassettes they were found; None without any."""
        ids = [drift.id for drift in self.drifts]
        return sha256("\n".join(ids).encode("utf-8", "replace")).hexdigest()[:16] if ids else None


def check(reruns: Sequence[Rerun]) -> Checked:
    """Compare each cassette with its rerun, and the latencies of all together."""
    recorded = FormOfMessages(message for rerun in reruns for message in vendors_messages(rerun.recorded))
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for rerun in reruns:
        before, now = latencies_of(rerun.recorded), latencies_of(rerun.now)
        for figure in before.keys() & now.keys():
            if len(before[figure]) == len(now[figure]):  # else nobody can tell which belong together
                pairs[figure] += zip(before[figure], now[figure], strict=True)
    slowdowns = {figure: found for figure in sorted(pairs) if (found := slowdown(pairs[figure])) is not None}
    return Checked(of_each=[_each_once(_drifts_of(rerun, recorded)) for rerun in reruns], latencies=slowdowns)


def _each_once(drifts: Iterable[ServiceDrift]) -> list[ServiceDrift]:
    found: dict[str, ServiceDrift] = {}
    for drift in drifts:
        found.setdefault(drift.id, drift)
    return sorted(found.values())


def _drifts_of(rerun: Rerun, recorded: FormOfMessages) -> Iterator[ServiceDrift]:
    yield from _missed(rerun)
    yield from _new_kinds(rerun, recorded)
    yield from _parts(rerun)
    yield from _forms(rerun, recorded)
    yield from _close(rerun)
    yield from _price(rerun)


# Messages ---------------------------------------------------------------------------------------------------------


def _missed(rerun: Rerun) -> Iterator[ServiceDrift]:
    for kind in rerun.missed:
        if kind == CLOSE:
            code = rerun.recorded.facts.close_code
            yield ServiceDrift(rule="close", subject="missing", what=f"the vendor did not close; it had with {code}")
        else:
            yield _missing(kind, "where the client waited for it")
    for name in rerun.unanswered:
        what = f"the function {name} was called more often than recorded, or in another way: there is no answer to it"
        yield ServiceDrift(rule="function-call", subject=name, what=what)


def _missing(kind: str, where: str) -> ServiceDrift:
    return ServiceDrift(rule="message-missing", subject=kind, what=f"{kind} did not come {where}")


def _new_kinds(rerun: Rerun, recorded: FormOfMessages) -> Iterator[ServiceDrift]:
    for kind in sorted({sent.kind for sent in vendors_messages(rerun.now)} - recorded.kinds - OPTIONAL):
        yield ServiceDrift(rule="message-new", subject=kind, what=f"{kind} came, which is in none of the cassettes")


def _parts(rerun: Rerun) -> Iterator[ServiceDrift]:
    """Compare what followed the same thing of the client's: its start, a text, speech."""
    if rerun.is_whole:
        came = {sent.kind for sent in vendors_messages(rerun.now)}
        for kind in sorted({sent.kind for sent in vendors_messages(rerun.recorded)} - OPTIONAL - came):
            yield _missing(kind, "in the whole session")
    before, now = _by_name(parts_of(rerun.recorded)), _by_name(_whole_parts(rerun))
    for name in sorted(before.keys() & now.keys()):
        always = frozenset.intersection(*(part.kinds for part in before[name])) - OPTIONAL - _ACKNOWLEDGED
        for part in now[name]:
            for kind in sorted(always - part.kinds):
                yield _missing(kind, f"after {name}")
            yield from _doubled(name, before[name], part)
            yield from _reordered(name, before[name], part)


def _by_name(parts: Iterable[SessionPart]) -> dict[str, list[SessionPart]]:
    by_name = defaultdict(list)
    for part in parts:
        by_name[part.name].append(part)
    return by_name


def _whole_parts(rerun: Rerun) -> list[SessionPart]:
    parts = parts_of(rerun.now)
    return parts if rerun.is_whole else parts[:-1]


def _doubled(name: str, before: Sequence[SessionPart], now: SessionPart) -> Iterator[ServiceDrift]:
    kinds = _ONCE - (_PER_PIECE if "speech" in now.begun_by else frozenset())
    for kind in sorted(kinds):
        if not now.overlaps and now.count(kind) > 1 and all(part.count(kind) == 1 for part in before):
            yield _twice(kind, f"after {name}")
    for kind in sorted(now.repeated - frozenset().union(*(part.repeated for part in before)) - OPTIONAL):
        if kind not in _PER_PIECE or "speech" not in now.begun_by:
            yield _twice(kind, f"in succession, after {name}")


def _twice(kind: str, where: str) -> ServiceDrift:
    return ServiceDrift(rule="message-doubled", subject=kind, what=f"{kind} came twice {where}")


def _reordered(name: str, before: Sequence[SessionPart], now: SessionPart) -> Iterator[ServiceDrift]:
    for kinds in combinations(sorted(now.kinds), 2):
        for first, second in (kinds, kinds[::-1]):
            if (
                _are_ordered(first, second, overlap=now.overlaps)
                and now.begins_with(second, first)
                and all(part.begins_with(first, second) for part in before)
            ):
                what = f"{second} came before {first} after {name}; recorded, it came after it"
                yield ServiceDrift(rule="message-order", subject=f"{second} before {first}", what=what)


def _are_ordered(first: str, second: str, *, overlap: bool) -> bool:
    kinds = {first, second}
    if kinds & (_ACKNOWLEDGED | {"LatencyReport"}) or any(kind.startswith(("Warning", "(")) for kind in kinds):
        return False
    if overlap and kinds & _OF_USER and kinds & _OF_AGENT:
        return False
    return not any(kinds & some and kinds & others for some, others in _NOT_ORDERED)


# Forms ------------------------------------------------------------------------------------------------------------


def _forms(rerun: Rerun, recorded: FormOfMessages) -> Iterator[ServiceDrift]:
    before = FormOfMessages(vendors_messages(rerun.recorded))
    now = FormOfMessages(vendors_messages(rerun.now))
    for pointer in sorted(now.without(before.always)):
        yield ServiceDrift(rule="field-missing", subject=pointer, what=f"{pointer} is missing; each one had it")
    for pointer in sorted(now.types.keys() - recorded.types.keys()):
        if now.is_of_known(pointer, recorded):
            yield ServiceDrift(rule="field-new", subject=pointer, what=f"{pointer} is new")
    for pointer in sorted(now.types.keys() & recorded.types.keys()):
        for json_type in sorted(now.types[pointer] - recorded.types[pointer]):
            was = " or ".join(sorted(recorded.types[pointer]))
            what = f"{pointer} is {json_type}, where it was {was}"
            yield ServiceDrift(rule="field-type", subject=f"{pointer} {json_type}", what=what)
    yield from _audio(rerun)


def _audio(rerun: Rerun) -> Iterator[ServiceDrift]:
    before, now = (set(map(audio_form, _beginnings(each))) for each in (rerun.recorded, rerun.now))
    for form in sorted(now - before) if before else ():
        was = " or ".join(sorted(before))
        yield ServiceDrift(rule="audio-form", subject=form, what=f"the agent's audio is {form}, where it was {was}")


def _beginnings(cassette: Cassette) -> Iterator[bytes]:
    """Yield the first audio of each part."""
    audio, had_audio = cassette.audio.get("server_to_client", b""), False
    for event in cassette.events:
        if event.side == "client_to_server":
            continue
        if isinstance(event, CassetteAudio):
            if not had_audio:
                yield audio[event.offset : event.offset + event.size]
            had_audio = True
        elif isinstance(event.payload, dict) and event.payload.get("type") == "AgentAudioDone":
            had_audio = False


# Close, price, latency ----------------------------------------------------------------------------------------------


def _close(rerun: Rerun) -> Iterator[ServiceDrift]:
    before, now = rerun.recorded.facts, rerun.now.facts
    if now.closed_by == "network" and before.closed_by != "network":
        yield ServiceDrift(rule="close", subject="lost", what="the connection to the vendor was lost")
    elif now.closed_by == "server" and before.closed_by != "server":
        what = f"the vendor closed, with {now.close_code}, where it had not"
        yield ServiceDrift(rule="close", subject=f"new {now.close_code}", what=what)
    elif now.closed_by == before.closed_by == "server" and now.close_code != before.close_code:
        what = f"the vendor closed with {now.close_code}, where it had with {before.close_code}"
        yield ServiceDrift(rule="close", subject=f"{before.close_code} to {now.close_code}", what=what)


def _price(rerun: Rerun) -> Iterator[ServiceDrift]:
    before, now = rerun.recorded.facts, rerun.now.facts
    if before.tier is not None and now.tier != before.tier:
        what = f"the tier is {now.tier or 'not known'}, where it was {before.tier}"
        yield ServiceDrift(rule="tier", subject=f"{before.tier} to {now.tier}", what=what)
    elif before.micro_usd and now.micro_usd is not None and before.ms and not _changes_tier(rerun.recorded):
        expected = before.micro_usd * now.ms / before.ms
        slack = _ROUNDING * (1 + now.ms / before.ms) + expected * _CHANGE_OF_PRICE
        if abs(now.micro_usd - expected) > slack:
            was, is_now = (60_000 * each.micro_usd / each.ms / 1_000_000 for each in (before, now) if each.micro_usd)
            what = f"a minute of {now.tier or 'an unknown tier'} costs ${is_now:.3f}, where it was ${was:.3f}"
            yield ServiceDrift(rule="price", subject=f"{now.tier} {is_now:.3f}", what=what)


def _changes_tier(cassette: Cassette) -> bool:
    """True where the client's messages may change the price: then it depends on how long each of them held."""
    return any(
        not isinstance(event, CassetteAudio)
        and isinstance(event.payload, Mapping)
        and event.payload.get("type") in ("UpdateThink", "UpdateSpeak")
        for event in cassette.events
        if event.side == "client_to_server"
    )


def _slower(latencies: Mapping[str, Slowdown]) -> Iterator[ServiceDrift]:
    for figure, found in latencies.items():
        if found.is_slower:
            yield ServiceDrift(rule="latency", subject=figure, what=latency_sentence(figure, found))


def latency_sentence(figure: str, found: Slowdown) -> str:
    """Say what a latency was, and is."""
    what = f"{figure} takes {found.now_ms / 1000:.2f} s, where it took {found.recorded_ms / 1000:.2f} s"
    limit = "too few to judge"
    if found.limit is not None:
        limit = f"limit {found.recorded_ms * (1 + found.limit) / 1000:.2f} s"
    return f"{what} ({found.pairs} compared, {limit})"


def drifts_by_id(checked: Checked, names: Sequence[str]) -> Mapping[str, list[str]]:
    """Return in which cassettes each drift was found, by its id; of latencies, in all together."""
    found: dict[str, list[str]] = {drift.id: [] for drift in checked.drifts}
    for name, drifts in zip(names, checked.of_each, strict=True):
        for drift in drifts:
            found[drift.id].append(name)
    return found
