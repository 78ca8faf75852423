"""The agent's side of one session: answers turns in order, says one thing at a time, in real time."""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.agent import callout, dialogue
from pytest_dgbudget.emulator.agent.errands import Errands
from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.agent.outbox import Call, Outbox
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.scenarios.performance import perform
from pytest_dgbudget.emulator.scenarios.scenario import Cue, Script
from pytest_dgbudget.rules.audio import AudioFormat

_TICK = 0.005  # seconds; what is due within one goes out together, of all sessions: the loop turns less often
_LEAD_FRAMES = 5  # sent at once, so that a player never runs dry; the emulator's choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the user said and the agent has yet to answer.

    ``spoken_ms`` when it came as audio; then ``text`` may be None, since the emulator does not transcribe.
    """

    text: str | None = None
    spoken_ms: int | None = None

    @property
    def transcript(self) -> str:
        return dialogue.transcript_of_speech(self.spoken_ms or 0) if self.text is None else self.text

    @property
    def reply(self) -> str:
        return dialogue.reply_to_speech(self.spoken_ms or 0) if self.text is None else dialogue.reply_to_text(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What the agent has yet to say; ``answers`` a turn, or comes by itself. A ``sound`` takes its voice's place."""

    text: str | None
    watch: Stopwatch
    answers: bool
    sound: Sound | None = None


class Speaker:
    """Runs beside the reader of the session, which hands it turns and utterances and may interrupt it.

    ``experimental`` is that of Settings: it brings AgentStartedSpeaking.
    """

    def __init__(self, outbox: Outbox, *, user_speaking: Callable[[], bool]) -> None:
        self.functions: tuple[dialogue.Function, ...] = ()
        self.audio = AudioFormat()
        self.wav = False
        self.experimental = False
        self.script: Script | None = None
        self._outbox = outbox
        self._user_speaking = user_speaking
        self._utterances: deque[Utterance] = deque()
        self._turns: deque[tuple[Turn, Stopwatch]] = deque()
        self._calls: dict[str, tuple[Call, Stopwatch]] = {}
        self._playing: object | None = None
        self._performance: asyncio.Future[None] | None = None
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._answered_by_script: Stopwatch | None = None
        self._wake = asyncio.Event()
        self._errands = Errands(self._wake.set)

    @property
    def mid_turn(self) -> bool:
        """Whether the agent is speaking, about to, or waiting for a function."""
        return bool(self._playing or self._utterances or self._turns or self._calls or self._performance)

    @property
    def open_calls(self) -> tuple[Call, ...]:
        """Calls that the client owes a response, oldest first."""
        return tuple(call for call, _ in self._calls.values() if call.client_side)

    def utter(self, text: str) -> None:
        """Say this behind all that is to be said already."""
        self._say(Utterance(text=text, watch=_watch(), answers=False))

    def take_turn(self, turn: Turn) -> None:
        """Answer this behind all turns that came before."""
        self._turns.append((turn, _watch(spoken=turn.spoken_ms is not None)))
        self._wake.set()

    def take_result(self, call: Call, content: str) -> None:
        """Go on with the turn that was waiting for this call."""
        awaited = self._awaited.pop(call.id, None)
        if awaited is None:
            return self._go_on(call, dialogue.reply_to_result(call.name, content))
        _, watch = self._calls.pop(call.id)
        watch.function_answered()
        return None if awaited.done() else awaited.set_result(content)

    def interrupt(self, text: str) -> None:
        """Say this in place of what is being said."""
        self._playing = None
        self._stop_performing()
        self._utterances.appendleft(Utterance(text=text, watch=_watch(), answers=False))
        self._wake.set()

    def hush(self) -> tuple[Call, ...]:
        """Stop, drop the reply under way and what was queued behind it; return the calls nobody waits for any more."""
        self._playing = None
        self._stop_performing()
        self._utterances.clear()
        calls = tuple(call for call, _ in self._calls.values())
        self._calls.clear()
        self._errands.cancel()
        return calls

    async def run(self) -> None:
        """Do what there is to do, for as long as the session lasts."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._errands.look()
                while (deed := self._next_deed()) is not None:
                    await deed
        finally:
            self._errands.cancel()

    def _say(self, utterance: Utterance) -> None:
        self._utterances.append(utterance)
        self._wake.set()

    def _next_deed(self) -> Awaitable[None] | None:
        """What was begun is finished first: a new turn waits for open calls, and everything for the user to end."""
        if self._user_speaking():
            return None
        if self._utterances:
            return self._play(self._utterances.popleft())
        if self._turns and not self._calls:
            return self._answer(*self._turns[0])
        return None

    async def _answer(self, turn: Turn, watch: Stopwatch) -> None:
        said = turn.transcript
        await self._outbox.transcribe("user", said)
        watch.transcribed()
        self._turns.popleft()  # only now: an agent about to answer is in mid-turn
        cue = None if self.script is None else self.script.cue(said)
        if cue is not None:
            return await self._perform(cue, watch)
        function = None if turn.text is None else dialogue.function_for(turn.text, self.functions)
        if function is None:
            return self._say(Utterance(text=turn.reply, watch=watch, answers=True))
        return await self._call(function, said, watch)

    async def _perform(self, cue: Cue, watch: Stopwatch) -> None:
        """Do a scenario's steps, until they are done or the user speaks."""
        self._answered_by_script = watch
        performance = self._performance = asyncio.ensure_future(perform(cue, self))
        try:
            await asyncio.wait([performance])
        finally:
            self._stop_performing()
        if not performance.cancelled():
            performance.result()

    def _stop_performing(self) -> None:
        if self._performance is not None:
            self._performance.cancel()
        self._performance = None
        self._awaited.clear()

    async def warn(self, code: str, description: str) -> None:
        await self._outbox.warn(code, description)

    async def send(self, message: Mapping[str, Any]) -> None:
        await self._outbox.send(json.dumps(message))

    async def ask(self, calls: Sequence[tuple[str, str]]) -> list[str]:
        loop, watch = asyncio.get_running_loop(), self._answered_by_script or _watch()
        watch.function_called()
        made = [Call(id=f"fc_{uuid.uuid4()}", name=name, arguments=arguments) for name, arguments in calls]
        answers: list[asyncio.Future[str]] = [loop.create_future() for _ in made]
        for call, answer in zip(made, answers, strict=True):
            self._calls[call.id], self._awaited[call.id] = (call, watch), answer
        for call in made:
            await self._outbox.request(call)
        return await asyncio.gather(*answers)

    async def say(self, text: str | None, sound: Sound | None) -> None:
        """The first thing that a scenario says answers the turn."""
        watch, self._answered_by_script = self._answered_by_script, None
        answers = watch is not None
        await self._play(Utterance(text=text, watch=watch or _watch(), answers=answers, sound=sound))

    async def _call(self, function: dialogue.Function, text: str, watch: Stopwatch) -> None:
        arguments = dialogue.arguments_for(function, text)
        endpoint = function.endpoint
        call = Call(id=f"fc_{uuid.uuid4()}", name=function.name, arguments=arguments, client_side=endpoint is None)
        self._calls[call.id] = (call, watch)
        watch.function_called()
        await self._outbox.say("AgentThinking", content=dialogue.thought_of_calling(call.name))
        if call.id in self._calls:  # else the user interrupted the thought
            await self._outbox.request(call)
        if endpoint is not None and call.id in self._calls:
            self._errands.start(self._run_errand(call, endpoint))

    async def _run_errand(self, call: Call, endpoint: callout.Endpoint) -> None:
        """Call the function where it is; cancelled with the call."""
        try:
            content = await callout.fetch(endpoint, call.arguments)
        except callout.EndpointFailed as failure:
            await self._outbox.warn("FUNCTION_CALL_FAILED", f"{call.name}: {failure}.")
            return self._go_on(call, dialogue.reply_to_failure(call.name))
        await self._outbox.answered(call, content)
        return self.take_result(call, content)

    def _go_on(self, call: Call, text: str) -> None:
        _, watch = self._calls.pop(call.id)
        watch.function_answered()
        self._say(Utterance(text=text, watch=watch, answers=True))

    async def _play(self, utterance: Utterance) -> None:
        """Say it, and end with AgentAudioDone and LatencyReport unless it was interrupted."""
        mine = self._playing = object()
        utterance.watch.text_ready()
        if utterance.text is not None:
            await self._outbox.transcribe("assistant", utterance.text)
        utterance.watch.audio_ready()
        if self.experimental and self._playing is mine:
            await self._outbox.say("AgentStartedSpeaking", **utterance.watch.started_speaking())
        await self._stream(utterance.sound or voice.Speech(utterance.text or ""), mine)
        if self._playing is mine:
            self._playing = None
            await self._outbox.say("AgentAudioDone")
            if utterance.answers:
                await self._outbox.say("LatencyReport", **utterance.watch.report())

    async def _stream(self, sound: Sound | voice.Speech, mine: object) -> None:
        """Send frame n at start + n · 20 ms, less the lead, on the next tick, however late the one before it was."""
        if self.wav and self._playing is mine:
            await self._outbox.send(voice.wav_header(self.audio, sound.milliseconds))
        loop = asyncio.get_running_loop()
        start = loop.time()
        for n, frame in enumerate(sound.frames(self.audio)):
            due = start + (n - _LEAD_FRAMES) * voice.FRAME_MS / 1000
            seconds = math.ceil(due / _TICK) * _TICK - loop.time()
            if seconds > 0:
                await asyncio.sleep(seconds)
            if self._playing is not mine:
                return
            await self._outbox.send(frame)


def _watch(*, spoken: bool = False) -> Stopwatch:
    return Stopwatch(asyncio.get_running_loop().time, spoken=spoken)
