"""A client that has a cassette's session again, by its steps, and notes what it waited for in vain. It never hangs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.client_side import (
    ClientStep,
    RecordedAnswer,
    RecordedWords,
    answers_of,
    called_in,
    steps_of,
)
from pytest_dgbudget.cassette.vendor_side import AUDIO, CLOSE, AgentOwes, kind_of
from pytest_dgbudget.client.audio import PacedAudio
from pytest_dgbudget.client.backoff import Backoff
from pytest_dgbudget.client.endpoint import Endpoint
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.recording.lines import payload_of, text_of
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.refusals import read_error
from pytest_dgbudget.rules.samples import silence

# Twice what it took when recorded, and so long: the longest pause between two sentences that was seen is 10.2 s.
PATIENCE_SECONDS = 12
_TIMES = 2
# However long the agent goes on, in all.
_LONGEST_WAIT_SECONDS = 120
_KEEP_ALIVE_SECONDS = 5
_SILENCE_SECONDS = 0.1
_CLOSE_SECONDS = 5
_AGENT_DONE = "AgentAudioDone"


class NotOpened(Exception):
    """The session did not open, for this reason."""


@dataclass(slots=True, kw_only=True)
class HadAgain:
    """What became of it. ``missed``: kinds of messages that were awaited in vain; ``unanswered``: functions that were
    called and for which there was no answer; ``is_whole``: the client came to its end.
    """

    session: str
    missed: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    is_whole: bool = False


async def have_again(cassette: Cassette, endpoint: Endpoint, patience_seconds: float = PATIENCE_SECONDS) -> HadAgain:
    """Have a cassette's session again through the gateway; raises NotOpened."""
    async with await _open(endpoint) as websocket:
        client = _CassetteClient(cassette, websocket, patience_seconds)
        return await client.run()


async def _open(endpoint: Endpoint) -> ClientConnection:
    backoff = Backoff()
    while True:
        try:
            return await connect(
                endpoint.agent_url,
                additional_headers={"Authorization": f"Token {endpoint.api_key}"},
                compression=None,
                max_size=None,
                ping_interval=None,
                proxy=None,
                open_timeout=None,  # what waits for its lease is not billed
                close_timeout=_CLOSE_SECONDS,
            )
        except InvalidStatus as refused:
            pause = None
            if refused.response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                headers = refused.response.headers
                pause = backoff.pause(headers.get("Retry-After", ""), headers.get("Date", ""))
            if pause is None:
                raise NotOpened(_refusal(refused)) from None
        except (OSError, EOFError, InvalidHandshake) as error:
            raise NotOpened(f"the gateway did not answer: {error}") from None
        await asyncio.sleep(pause)


def _refusal(refused: InvalidStatus) -> str:
    error = read_error(bytes(refused.response.body or b""))
    return f"it was refused with {refused.response.status_code}: {error.message}"


class _CassetteClient:
    """``_came`` has when each kind first came, since what the step before this one awaited was there."""

    def __init__(self, cassette: Cassette, websocket: ClientConnection, patience_seconds: float) -> None:
        self._websocket = websocket
        self._steps = steps_of(cassette)
        self._answers = answers_of(cassette)
        self._format = cassette.formats.get("client_to_server", AudioFormat())
        self._patience = patience_seconds
        self._now = asyncio.get_running_loop().time
        self._owes = AgentOwes()
        self._came: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._moved_at = self._sent_at = self._now()
        self._falls_silent = False
        self._news = asyncio.Condition()
        self._answering: set[asyncio.Task[None]] = set()
        response = websocket.response
        self._had = HadAgain(session=response.headers.get(codes.SESSION_HEADER, "") if response else "")

    async def run(self) -> HadAgain:
        reading = asyncio.ensure_future(self._read())
        try:
            with contextlib.suppress(ConnectionClosed):
                self._had.is_whole = await self._take_steps()
            await self._websocket.close()
            await reading
        finally:
            for task in {reading, *self._answering}:
                task.cancel()
        return self._had

    async def _take_steps(self) -> bool:
        for step in self._steps:
            begun_at = self._now()
            if not await self._wait(step):
                return CLOSE in step.awaits
            there_at = self._now()
            caused_at = max([begun_at, *(self._came[kind] for kind in step.awaits & self._came.keys())])
            await self._rest_until(caused_at + step.pause_ms / 1000)
            self._came = {kind: at for kind, at in self._last.items() if at > there_at}
            await self._do(step.does)
        return True

    async def _wait(self, step: ClientStep) -> bool:
        """Wait for what the step awaits, or until nothing of that will come; False where the session is over."""
        awaited = step.awaits - set(self._had.missed)
        limit = _TIMES * step.gap_ms / 1000 + self._patience
        begun_at = self._moved_at = self._now()
        while lacking := self._lacking(step, awaited):
            if CLOSE in self._came:
                return False
            now = self._now()
            gives_up_at = min(self._moved_at + limit, begun_at + _LONGEST_WAIT_SECONDS)
            if now >= gives_up_at:
                self._had.missed += sorted(lacking)
                return True
            await self._pass_time(min(gives_up_at, now + 1))
        return CLOSE not in self._came or CLOSE in awaited

    def _lacking(self, step: ClientStep, awaited: frozenset[str] | set[str]) -> set[str]:
        lacking = set(awaited - self._came.keys())
        if step.until_done and not self._owes.is_done and _AGENT_DONE not in self._had.missed:
            lacking.add(_AGENT_DONE)
        return lacking

    async def _rest_until(self, at: float) -> None:
        while self._now() < at and CLOSE not in self._came:
            await self._pass_time(at)

    async def _pass_time(self, until: float) -> None:
        """Wait for news, as the client did: with silence where it sent some, else with KeepAlives."""
        if self._falls_silent:
            await self._send(silence(self._format.encoding, round(self._format.sample_rate * _SILENCE_SECONDS)))
            until = min(until, self._now() + _SILENCE_SECONDS)
        elif self._now() >= self._sent_at + _KEEP_ALIVE_SECONDS:
            await self._send('{"type": "KeepAlive"}')
        rest = min(until, self._sent_at + _KEEP_ALIVE_SECONDS) - self._now()
        if self._falls_silent:
            await asyncio.sleep(max(0.0, rest))
            return
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(self._has_news(), max(0.0, rest))

    async def _has_news(self) -> None:
        async with self._news:
            await self._news.wait()

    async def _do(self, does: Any) -> None:
        if does is None:
            return
        self._falls_silent = False
        if isinstance(does, RecordedWords):
            await self._speak(does)
            self._falls_silent = does.falls_silent and bool(silence(self._format.encoding, 1))
        else:
            self._owes.client_said(does)
            await self._send(text_of(does).decode())

    async def _speak(self, words: RecordedWords) -> None:
        begun_at = self._now()
        for after_ms, audio in words.pieces:
            await self._rest_until(begun_at + after_ms / 1000)
            if self._format.bytes_per_sample is None:
                await self._send(audio)
                continue
            paced = PacedAudio(self._format, self._send, 1.0)
            await paced.add(audio)
            await paced.end()

    async def _send(self, data: str | bytes) -> None:
        self._sent_at = self._now()
        await self._websocket.send(data)

    # What comes -------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._take(await self._websocket.recv())
                await self._notify()
        self._note(CLOSE)
        await self._notify()

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _take(self, data: str | bytes) -> None:
        payload = None if isinstance(data, bytes) else payload_of(data)
        kind = AUDIO if isinstance(data, bytes) else kind_of(payload)
        self._owes.vendor_said(kind)
        self._note(kind)
        if isinstance(payload, Mapping):
            for id_, name in called_in(payload):
                self._begin_answer(id_, name)

    def _note(self, kind: str) -> None:
        self._last[kind] = self._now()
        self._came.setdefault(kind, self._last[kind])
        if kind != "LatencyReport":
            self._moved_at = self._last[kind]

    def _begin_answer(self, id_: str, name: str) -> None:
        recorded: deque[RecordedAnswer] = self._answers.get(name, deque())
        if not recorded:
            self._had.unanswered.append(name)
            return
        task = asyncio.ensure_future(self._answer(id_, recorded.popleft()))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, id_: str, answer: RecordedAnswer) -> None:
        await asyncio.sleep(answer.after_ms / 1000)
        with contextlib.suppress(ConnectionClosed):
            await self._send(json.dumps({**answer.message, **({"id": id_} if "id" in answer.message else {})}))
