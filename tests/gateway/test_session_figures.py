"""Whatever passes in whatever order, events, usage record, relay and a model of a few lines have the same figures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.events import (
    GreetingBegun,
    SessionEnded,
    SessionWelcomed,
    TurnEnded,
    UserPartEnded,
)
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.model import UsageRecord
from tests.gateway.streams import BINARY, CLOSE, CONT, CUTS, PING, TEXT, Sent, cut
from tests.gateway.test_sessions import Metered

MASK = b"\1\x80\xff\x7e"
CLOSED = (1000).to_bytes(2, "big")

# What may happen ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frames:
    """A message of one side's, in fragments; ``torn``: the last bytes of it never come."""

    side: str
    opcode: int
    payload: bytes
    fragments: int = 1
    torn: bool = False

    @property
    def is_welcome(self) -> bool:
        return b'"Welcome"' in self.payload

    @property
    def wire(self) -> bytes:
        key = MASK if self.side == "client" else b""
        size = -(-len(self.payload) // self.fragments) or 1
        pieces = [self.payload[at : at + size] for at in range(0, len(self.payload), size)] or [b""]
        sent = [
            Sent(CONT if number else self.opcode, piece, final=number == len(pieces) - 1, key=key)
            for number, piece in enumerate(pieces)
        ]
        between = Sent(PING, b"?", key=key).wire
        return between.join(each.wire for each in sent)[: -1 if self.torn else None]


@dataclass(frozen=True)
class Waits:
    ms: int


@dataclass(frozen=True)
class Ends:
    how: str


Step = Frames | Waits | Ends


def said(side: str, kind: str, **fields: Any) -> Frames:
    return Frames(side, TEXT, json.dumps({"type": kind, **fields}).encode())


STANDARD = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
ADVANCED = {"provider": {"type": "open_ai", "model": "gpt-4o"}}
CONTENTS = ("one", "two", " one ", "three")
CALL = {"id": "f", "name": "look_up", "arguments": "{}", "client_side": True}
TEXTS = [
    *(
        said("client", "Settings", audio={"input": {"encoding": encoding, "sample_rate": 8000}}, agent={"think": think})
        for encoding in ("linear16", "mulaw", "opus")
        for think in (STANDARD, ADVANCED)
    ),
    *(said("client", "InjectUserMessage", content=content) for content in CONTENTS),
    *(said("client", "UpdateThink", think=think) for think in (STANDARD, ADVANCED, {})),
    said("client", "UpdateSpeak", speak={"provider": {"type": "eleven_labs"}}),
    said("client", "KeepAlive"),
    said("client", "FunctionCallResponse", id="f", name="look_up", content="-"),
    Frames("client", TEXT, b"no JSON"),
    *(said("vendor", "Welcome", request_id=name) for name in ("r1", "r2", "no id")),
    said("vendor", "SettingsApplied"),
    *(said("vendor", "ConversationText", role="user", content=content) for content in CONTENTS),
    said("vendor", "ConversationText", role="assistant", content="four"),
    *(said("vendor", kind) for kind in ("UserStartedSpeaking", "AgentAudioDone", "FromTheFuture")),
    said("vendor", "FunctionCallRequest", functions=[CALL]),
    Frames("vendor", TEXT, b"{"),
]
AUDIO = st.builds(
    lambda side, size: Frames(side, BINARY, b"\x40" * size),
    st.sampled_from(["client", "vendor"]),
    st.sampled_from([0, 1, 319, 320, 16_000]),
)
ENDS = [Ends(how) for how in ("client closes", "vendor closes", "client is lost", "vendor is lost", "budget ends")]
PARTS = [text for text in TEXTS if b"content" in text.payload]
FRAMES = (st.sampled_from(TEXTS) | st.sampled_from(PARTS) | AUDIO).flatmap(
    lambda sent: st.builds(
        Frames, st.just(sent.side), st.just(sent.opcode), st.just(sent.payload), st.integers(1, 3), st.just(False)
    )
)
STEPS = st.lists(st.builds(Waits, st.sampled_from([1, 40, 500])) | FRAMES, max_size=25)
AFTERWARDS = st.lists(st.sampled_from(ENDS) | st.just(Waits(20)) | FRAMES, min_size=1, max_size=6)

# What comes of it ---------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """What passed until the end began, told by whoever reads the steps; a Welcome counts until the vendor closes."""

    parts: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    request_id: str | None = None
    bytes_per_ms: int | None = 48
    configured: bool = False
    passes: bool = True
    vendor_is_open: bool = True
    unsaid: list[str] = field(default_factory=list)

    def take(self, step: Step) -> None:
        if isinstance(step, Ends):
            self.passes = False
            self.vendor_is_open = self.vendor_is_open and not step.how.startswith("vendor")
        elif isinstance(step, Frames) and (self.passes or (self.vendor_is_open and step.is_welcome)):
            self._pass(step)

    def _pass(self, step: Frames) -> None:
        if step.opcode == BINARY:
            self.bytes_in += len(step.payload) * (step.side == "client")
            self.bytes_out += len(step.payload) * (step.side == "vendor")
        elif step.payload.startswith(b'{"'):
            data = json.loads(step.payload)
            getattr(self, f"_{data['type']}", lambda data: None)(data)

    def _Settings(self, data: Any) -> None:  # noqa: N802 - the messages' names
        if not self.configured:
            self.configured = True
            self.bytes_per_ms = {"linear16": 16, "mulaw": 8, "opus": None}[data["audio"]["input"]["encoding"]]

    def _InjectUserMessage(self, data: Any) -> None:  # noqa: N802
        self.parts += 1
        self.unsaid.append(data["content"].strip())

    def _ConversationText(self, data: Any) -> None:  # noqa: N802
        content = data["content"].strip()
        if data["role"] == "user" and content in self.unsaid:
            del self.unsaid[: self.unsaid.index(content) + 1]
        elif data["role"] == "user":
            self.parts += 1

    def _Welcome(self, data: Any) -> None:  # noqa: N802
        if " " not in data["request_id"]:
            self.request_id = self.request_id or data["request_id"]

    @property
    def audio_in_ms(self) -> int | None:
        if self.bytes_in == 0:
            return 0
        return None if self.bytes_per_ms is None else self.bytes_in // self.bytes_per_ms


def perform(metered: Metered, steps: list[Step], cuts: list[int]) -> None:
    """Let it happen: what one side sends without a pause comes in any reads."""
    for side, group in groupby(steps, key=lambda step: step.side if isinstance(step, Frames) else ""):
        if side:
            transport = metered.client if side == "client" else metered.vendor
            for read in cut(b"".join(step.wire for step in group if isinstance(step, Frames)), cuts):
                if not transport.lost:
                    transport.feed(read)
            continue
        for step in group:
            if isinstance(step, Waits):
                metered.clock.advance(step.ms)
            elif isinstance(step, Ends):
                end(metered, step.how)


def end(metered: Metered, how: str) -> None:
    if how == "budget ends":
        metered.session.close("test-budget", Close(4402, "used up"))
    elif how == "client closes" and not metered.client.lost:
        metered.client.feed(Sent(CLOSE, CLOSED, key=MASK).wire)
    elif how == "vendor closes" and not metered.vendor.lost:
        metered.vendor.feed(Sent(CLOSE, CLOSED).wire)
    elif how == "client is lost":
        metered.client.lose()
    elif how == "vendor is lost":
        metered.vendor.lose()


async def play(steps: list[Step], cuts: list[int]) -> Metered:
    metered = Metered()
    await metered.relayed()
    perform(metered, steps, cuts)
    metered.vendor.lose()
    metered.client.lose()
    metered.clock.advance(5000)
    return metered


def spans_of(record: UsageRecord) -> Iterator[tuple[int, int]]:
    at = 0
    for span in record.tier_spans:
        yield span.from_ms, at
        at += span.ms
    yield record.ms or 0, at


CONFIGURED, UPDATED = TEXTS[0], said("client", "UpdateThink", think=ADVANCED)
WELCOME, ANSWERED = said("vendor", "Welcome", request_id="r1"), Frames("vendor", BINARY, b"\x40" * 320)
HEARD = said("vendor", "ConversationText", role="user", content="two")
INJECTED, SPOKEN = said("client", "InjectUserMessage", content="one"), Frames("client", BINARY, b"\x40" * 320)


@given(steps=STEPS, afterwards=AFTERWARDS, torn=st.none() | FRAMES, cuts=CUTS)
@example(steps=[], afterwards=[Ends("client is lost")], torn=SPOKEN, cuts=[])
@example(steps=[CONFIGURED], afterwards=[Ends("client is lost")], torn=SPOKEN, cuts=[])
@example(steps=[INJECTED, CONFIGURED, SPOKEN, HEARD, INJECTED], afterwards=[Waits(20)], torn=None, cuts=[])
@example(steps=[], afterwards=[Ends("budget ends"), INJECTED, SPOKEN], torn=None, cuts=[])
@example(steps=[UPDATED], afterwards=[Waits(20)], torn=None, cuts=[])
@example(steps=[UPDATED, Waits(20), CONFIGURED, UPDATED], afterwards=[Waits(20)], torn=None, cuts=[])
@example(steps=[], afterwards=[Ends("vendor closes"), INJECTED, SPOKEN], torn=None, cuts=[])
@example(steps=[], afterwards=[Ends("client closes"), HEARD, ANSWERED, WELCOME], torn=None, cuts=[])
def test_events_record_and_relay_agree_with_what_passed(
    steps: list[Step], afterwards: list[Step], torn: Frames | None, cuts: list[int]
) -> None:
    whole = [*steps, *afterwards]
    if torn is not None and isinstance(afterwards[0], Ends):
        torn = Frames(torn.side, torn.opcode, torn.payload, 1, torn=True)
        whole = [*steps, torn, Ends(f"{torn.side} is lost")]
    model = Model()
    for step in whole:
        if step is not torn:
            model.take(step)
    metered = asyncio.run(play(whole, cuts))
    record, events = metered.record, metered.events
    assert metered.session._relay is not None
    assert (record.audio_in_ms, record.audio_out_ms) == metered.session._relay.audio_ms()
    assert (record.audio_in_ms, record.audio_out_ms) == (model.audio_in_ms, model.bytes_out // 48)
    assert record.request_id == (model.request_id or "handshake")
    assert [event.request_id for event in events if isinstance(event, SessionWelcomed)] == [
        *([model.request_id] if model.request_id else [])
    ]
    turns = [event.turn for event in events if isinstance(event, TurnEnded)]
    assert tuple(turns) == record.turns
    assert len(turns) == model.parts == sum(isinstance(event, UserPartEnded) for event in events)
    assert [event.greeting_ms for event in events if isinstance(event, GreetingBegun)] == [
        *([] if record.greeting_ms is None else [record.greeting_ms])
    ]
    assert all(begin == before for begin, before in spans_of(record))
    assert [event for event in events if isinstance(event, SessionEnded)] == [events[-1]]
