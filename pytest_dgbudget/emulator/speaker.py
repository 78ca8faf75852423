"""The agent's side of one session: answers turns in order, says one thing at a time, in real time."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pytest_dgbudget.emulator import dialogue, voice
from pytest_dgbudget.emulator.outbox import Call, Outbox
from pytest_dgbudget.rules.audio import AudioFormat

_LEAD_FRAMES = 5  # sent at once, so that a player never runs dry; the emulator's choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the user said and the agent has yet to answer; ``spoken_ms`` when it came as audio."""

    text: str
    spoken_ms: int | None = None


class Speaker:
    """Runs beside the reader of the session, which hands it turns and utterances and may interrupt it."""

    def __init__(self, outbox: Outbox, *, user_speaking: Callable[[], bool]) -> None:
        self.functions: tuple[dialogue.Function, ...] = ()
        self.audio = AudioFormat()
        self.wav = False
        self._outbox = outbox
        self._user_speaking = user_speaking
        self._utterances: deque[str] = deque()
        self._turns: deque[Turn] = deque()
        self._calls: dict[str, Call] = {}
        self._playing: object | None = None
        self._wake = asyncio.Event()

    @property
    def mid_turn(self) -> bool:
        """Whether the agent is speaking, about to, or waiting for a function."""
        return bool(self._playing or self._utterances or self._turns or self._calls)

    @property
    def open_calls(self) -> tuple[Call, ...]:
        """Calls that the client owes a response, oldest first."""
        return tuple(self._calls.values())

    def utter(self, text: str) -> None:
        """Say this behind all that is to be said already."""
        self._utterances.append(text)
        self._wake.set()

    def take_turn(self, turn: Turn) -> None:
        """Answer this behind all turns that came before."""
        self._turns.append(turn)
        self._wake.set()

    def take_result(self, call: Call, content: str) -> None:
        """Go on with the turn that was waiting for this call."""
        del self._calls[call.id]
        self.utter(dialogue.reply_to_result(call.name, content))

    def interrupt(self, text: str) -> None:
        """Say this in place of what is being said."""
        self._playing = None
        self._utterances.appendleft(text)
        self._wake.set()

    def hush(self) -> tuple[Call, ...]:
        """Stop, drop the reply under way and what was queued behind it; return the calls nobody waits for any more."""
        self._playing = None
        self._utterances.clear()
        calls = self.open_calls
        self._calls.clear()
        return calls

    async def run(self) -> None:
        """Do what there is to do, for as long as the session lasts."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (deed := self._next_deed()) is not None:
                await deed

    def _next_deed(self) -> Awaitable[None] | None:
        """What was begun is finished first: a new turn waits for open calls, and everything for the user to end."""
        if self._user_speaking():
            return None
        if self._utterances:
            return self._play(self._utterances.popleft())
        if self._turns and not self._calls:
            return self._answer(self._turns[0])
        return None

    async def _answer(self, turn: Turn) -> None:
        await self._outbox.transcribe("user", turn.text)
        self._turns.popleft()  # only now: an agent about to answer is in mid-turn
        function = None if turn.spoken_ms is not None else dialogue.function_for(turn.text, self.functions)
        if function is None:
            self.utter(_reply(turn))
        else:
            await self._call(function, turn.text)

    async def _call(self, function: dialogue.Function, text: str) -> None:
        arguments = dialogue.arguments_for(function, text)
        call = Call(id=f"fc_{uuid.uuid4()}", name=function.name, arguments=arguments)
        self._calls[call.id] = call
        await self._outbox.request(call)

    async def _play(self, text: str) -> None:
        """Send frame n at start + n · 20 ms, less the lead, however late the one before it was."""
        mine = self._playing = object()
        await self._outbox.transcribe("assistant", text)
        length = voice.duration_ms(text)
        if self.wav and self._playing is mine:
            await self._outbox.send(voice.wav_header(self.audio, length))
        loop = asyncio.get_running_loop()
        start = loop.time()
        for n, frame in enumerate(voice.frames(self.audio, length)):
            await asyncio.sleep(start + (n - _LEAD_FRAMES) * voice.FRAME_MS / 1000 - loop.time())
            if self._playing is not mine:
                return  # interrupted: no AgentAudioDone
            await self._outbox.send(frame)
        if self._playing is mine:
            self._playing = None
            await self._outbox.say("AgentAudioDone")


def _reply(turn: Turn) -> str:
    if turn.spoken_ms is None:
        return dialogue.reply_to_text(turn.text)
    return dialogue.reply_to_speech(turn.spoken_ms)
