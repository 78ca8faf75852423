"""The agent's side of one session: answers turns in order, says one thing at a time, in real time."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections import deque
from collections.abc import Awaitable, Callable

from pytest_dgbudget.emulator.agent import callout, dialogue
from pytest_dgbudget.emulator.agent.calls import OpenCalls
from pytest_dgbudget.emulator.agent.errands import Errands
from pytest_dgbudget.emulator.agent.latency import Stopwatch, started
from pytest_dgbudget.emulator.agent.outbox import Call, Outbox
from pytest_dgbudget.emulator.agent.performer import Performer
from pytest_dgbudget.emulator.agent.turns import Turn, Utterance
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.scenarios.scenario import Script
from pytest_dgbudget.rules.audio import AudioFormat

_TICK = 0.005  # seconds; what is due within one goes out together, of all sessions: the loop turns less often
_LEAD_FRAMES = 5  # sent at once, so that a player never runs dry; the emulator's choice


class Speaker:
    """Runs beside the reader of the session, which hands it turns and utterances and may interrupt it.

    ``script`` answers before the emulator's own dialogue. ``experimental`` is that of Settings: it brings
    AgentStartedSpeaking.
    """

    def __init__(self, outbox: Outbox, script: Script | None, *, user_speaking: Callable[[], bool]) -> None:
        self.functions: tuple[dialogue.Function, ...] = ()
        self.audio = AudioFormat()
        self.wav = False
        self.experimental = False
        self._outbox = outbox
        self._script = script
        self._user_speaking = user_speaking
        self._utterances: deque[Utterance] = deque()
        self._turns: deque[tuple[Turn, Stopwatch]] = deque()
        self._calls = OpenCalls(outbox)
        self._performer = Performer(outbox, self._calls, self._play)
        self._playing: object | None = None
        self._answering: object | None = None
        self._wake = asyncio.Event()
        self._errands = Errands(self._wake.set)

    @property
    def mid_turn(self) -> bool:
        """Whether the agent is speaking, about to, or waiting for a function."""
        return bool(self._playing or self._utterances or self._turns or self._calls or self._performer.busy)

    @property
    def open_calls(self) -> tuple[Call, ...]:
        """Calls that the client owes a response, oldest first."""
        return self._calls.of_client

    def utter(self, text: str) -> None:
        """Say this behind all that is to be said already."""
        self._say(Utterance(text=text, watch=started(), answers=False))

    def take_turn(self, turn: Turn) -> None:
        """Answer this behind all turns that came before."""
        self._turns.append((turn, started(spoken=turn.spoken_ms is not None)))
        self._wake.set()

    def take_result(self, call: Call, content: str) -> None:
        """Go on with what was waiting for this call."""
        watch = self._calls.answered(call)
        if not self._performer.take(call, content):
            self._say(Utterance(text=dialogue.reply_to_result(call.name, content), watch=watch, answers=True))

    def interrupt(self, text: str) -> tuple[Call, ...]:
        """Say this in place of what is being said or performed; return the calls nobody waits for any more."""
        self._playing = None
        calls = self._performer.stop()
        self._utterances.appendleft(Utterance(text=text, watch=started(), answers=False))
        self._wake.set()
        return calls

    def hush(self) -> tuple[Call, ...]:
        """Stop, drop the reply under way and what was queued behind it; return the calls nobody waits for any more."""
        self._playing = self._answering = None
        self._utterances.clear()
        self._errands.cancel()
        return self._performer.stop() + self._calls.cancel_all()

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
        mine = self._answering = object()
        said = turn.transcript
        await self._outbox.transcribe("user", said)
        watch.transcribed()
        self._turns.popleft()  # only now: an agent about to answer is in mid-turn
        if self._answering is not mine:
            return None
        cue = None if self._script is None else self._script.cue(said)
        if cue is not None:
            return await self._performer.perform(cue, watch)
        function = None if turn.text is None else dialogue.function_for(turn.text, self.functions)
        if function is None:
            return self._say(Utterance(text=turn.reply, watch=watch, answers=True))
        return await self._call(function, said, watch)

    async def _call(self, function: dialogue.Function, text: str, watch: Stopwatch) -> None:
        arguments = dialogue.arguments_for(function, text)
        endpoint = function.endpoint
        call = Call(id=f"fc_{uuid.uuid4()}", name=function.name, arguments=arguments, client_side=endpoint is None)
        self._calls.open(call, watch)
        await self._outbox.say("AgentThinking", content=dialogue.thought_of_calling(call.name))
        await self._calls.request(call)
        if endpoint is not None and call in self._calls:
            self._errands.start(self._run_errand(call, endpoint))

    async def _run_errand(self, call: Call, endpoint: callout.Endpoint) -> None:
        """Call the function where it is; cancelled with the call, but for an answer that is there already."""
        try:
            content = await callout.fetch(endpoint, call.arguments)
        except callout.EndpointFailed as failure:
            if call in self._calls:
                await self._give_up(call, failure)
            return
        if call in self._calls:
            await self._outbox.answered(call, content)
        if call in self._calls:
            self.take_result(call, content)

    async def _give_up(self, call: Call, failure: callout.EndpointFailed) -> None:
        watch = self._calls.answered(call)
        self._say(Utterance(text=dialogue.reply_to_failure(call.name), watch=watch, answers=True))
        await self._outbox.warn("FUNCTION_CALL_FAILED", f"{call.name}: {failure}.")

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
