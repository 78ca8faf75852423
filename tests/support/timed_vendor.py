"""A vendor that answers at known times, and what both ends of a session know of the instants between them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

from websockets.asyncio.server import ServerConnection

from tests.support.vendor import Seen, Vendor

# What the agent sends of its audio at once.
AUDIO = b"\1\2" * 480
OVER = "PromptUpdated"
SESSION = "x-deepgram-session"


class Log(TypedDict):
    """What one end of a session notes, in ``time.monotonic()`` seconds.

    ``audio``: where each piece of the user's audio ends, in bytes, and when that was due, or came. ``texts``: the
    client's messages. ``answers``: the vendor's, audio among them. The end that sends notes the instant before it,
    the end that receives the one after.
    """

    audio: list[tuple[int, float]]
    texts: list[float]
    answers: list[float]


def log() -> Log:
    return {"audio": [], "texts": [], "answers": []}


class Point(NamedTuple):
    """Something that passes the gateway: a byte of the user's audio, or a message of this number."""

    what: str
    number: int


class Moment(NamedTuple):
    """When it passed the gateway: not before the one end sent it, not after the other one had it."""

    earliest: float
    latest: float


@dataclass(frozen=True)
class Expected:
    """A turn as the vendor knows it: where its silence begins and ends, and the marks that it has."""

    since: str
    start: Point
    answer: Point | None
    calls: tuple[Point, Point] | None = None
    overlapped: bool = False
    unpaced: bool = False
    continued: bool = False


@dataclass
class Stage:
    """The vendor's end of one session. ``bytes_per_ms`` is of the user's audio."""

    connection: ServerConnection
    seen: Seen
    bytes_per_ms: float
    log: Log = field(default_factory=log)
    turns: list[Expected] = field(default_factory=list)
    greeting: tuple[Point, Point] | None = None
    reported_ms: list[int] = field(default_factory=list)
    late_ms: float = 0.0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _kinds: list[str] = field(default_factory=list)
    _looked_at: int = 0

    async def read(self) -> None:
        """Note all that comes, until the client closes."""
        async for data in self.connection:
            at = time.monotonic()
            if isinstance(data, bytes):
                self.seen.audio_bytes += len(data)
                self.log["audio"].append((self.seen.audio_bytes, at))
            else:
                message = json.loads(data)
                self._kinds.append(message["type"])
                self.log["texts"].append(at)
            async with self._news:
                self._news.notify_all()

    async def hears(self, ms: float) -> Point:
        """Wait until so much of the user's audio is here; return its last byte."""
        byte = round(ms * self.bytes_per_ms)
        await self._until(lambda: self.seen.audio_bytes >= byte)
        return Point("audio", byte)

    async def told(self, kind: str) -> Point:
        """Wait for the client's next message of a kind."""
        await self._until(lambda: kind in self._kinds[self._looked_at :])
        position = self._kinds.index(kind, self._looked_at)
        self._looked_at = position + 1
        return Point("texts", position)

    def moment(self, point: Point) -> float:
        """Return when that was here."""
        return instant(self.log, point, self.bytes_per_ms)

    async def after(self, point: Point, ms: float) -> None:
        """Wait until so long after that; the time is fixed, so that nothing adds up."""
        due = self.moment(point) + ms / 1000
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        self.late_ms = max(self.late_ms, (time.monotonic() - due) * 1000)

    async def say(self, kind: str, **fields: Any) -> Point:
        return await self._send(json.dumps({"type": kind, **fields}))

    async def says(self, role: str, content: str) -> Point:
        return await self.say("ConversationText", role=role, content=content)

    async def report(self, total_ms: int) -> None:
        """Tell of a turn what it took by the vendor's own watch, one field each time."""
        await self.say("LatencyReport", ttt_text_latency=0.1)
        self.reported_ms.append(total_ms)
        await self.say("LatencyReport", total_latency=total_ms / 1000)

    async def speak(self, audio: bytes = AUDIO) -> Point:
        """Send audio of the agent's at once."""
        return await self._send(audio)

    async def _send(self, data: str | bytes) -> Point:
        self.log["answers"].append(time.monotonic())
        await self.connection.send(data)
        return Point("answers", len(self.log["answers"]) - 1)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(is_so)


Scene = Callable[[Stage], Awaitable[None]]


class TimedVendor(Vendor):
    """Plays the scene that a session's header names after its last slash; ``stages`` are the sessions by that header.

    ``bytes_per_ms`` is that of each scene's user audio.
    """

    def __init__(self, scenes: Mapping[str, Scene], bytes_per_ms: Mapping[str, float]) -> None:
        super().__init__(self._play)
        self.stages: dict[str, Stage] = {}
        self._scenes = scenes
        self._bytes_per_ms = bytes_per_ms

    def __enter__(self) -> TimedVendor:
        super().__enter__()
        return self

    async def _play(self, connection: ServerConnection, seen: Seen) -> None:
        name = seen.headers[SESSION]
        scene = name.rpartition("/")[2]
        stage = self.stages[name] = Stage(connection, seen, self._bytes_per_ms[scene])
        reading = asyncio.ensure_future(stage.read())
        await stage.say("Welcome", request_id=seen.request_id)
        await stage.told("Settings")
        await self._scenes[scene](stage)
        await stage.say(OVER)
        await reading


def instant(log: Log, point: Point, bytes_per_ms: float) -> float:
    """Return when one end had or sent it; a byte within a piece of audio was spoken before the piece's end."""
    if point.what == "texts":
        return log["texts"][point.number]
    if point.what == "answers":
        return log["answers"][point.number]
    end, at = next((end, at) for end, at in log["audio"] if end >= point.number)
    return at - (end - point.number) / bytes_per_ms / 1000


def passed(point: Point, client: Log, stage: Stage) -> Moment:
    """Return when something passed between both ends."""
    there, here = (instant(log, point, stage.bytes_per_ms) for log in (client, stage.log))
    return Moment(here, there) if point.what == "answers" else Moment(there, here)


def duration_ms(start: Moment, end: Moment) -> Moment:
    """Return the least and the most that lies between two moments, in milliseconds."""
    return Moment((end.earliest - start.latest) * 1000, (end.latest - start.earliest) * 1000)
