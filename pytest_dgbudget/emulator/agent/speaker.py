"""The agent's side of one session: answers turns in order, says one thing at a time, in real time."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine

from pytest_dgbudget.emulator.agent import dialogue, function_endpoint
from pytest_dgbudget.emulator.agent.dialogue import Turn, Utterance
from pytest_dgbudget.emulator.agent.latency import Stopwatch, started
from pytest_dgbudget.emulator.agent.message_writer import FunctionCall, MessageWriter, OpenCalls
from pytest_dgbudget.emulator.agent.runner import ScenarioRunner
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.scenarios.scenario import Script
from pytest_dgbudget.rules.audio import AudioFormat

_TICK = 0.005  # seconds; frames of all sessions due within one tick go out together: the loop turns less often
_LEAD_FRAMES = 5  # sent at once, so that a player never runs dry; the emulator's choice


class Speaker:
    """Runs beside the session's reader, which gives it turns and utterances and may interrupt it.

    ``script`` takes precedence over the emulator's own dialogue. ``experimental`` is Settings' field of that name: with
    it, AgentStartedSpeaking is sent.
    """

    def __init__(
        self, writer: MessageWriter, script: Script | None, pace: voice.Pace, *, user_speaking: Callable[[], bool]
    ) -> None:
        self.functions: tuple[dialogue.Function, ...] = ()
        self.audio = AudioFormat()
        self.wav = False
        self.experimental = False
        self._writer = writer
        self._script = script
        self._pace = pace
        self._user_speaking = user_speaking
        self._utterances: deque[Utterance] = deque()
        self._turns: deque[tuple[Turn, Stopwatch]] = deque()
        self._calls = OpenCalls(writer)
        self._runner = ScenarioRunner(writer, self._calls, self._play)
        self._playing: object | None = None
        self._answering: object | None = None
        self._wake = asyncio.Event()
        self._background = BackgroundTasks(self._wake.set)

    @property
    def mid_turn(self) -> bool:
        """Whether the agent is speaking, about to, or waiting for a function."""
        return bool(self._playing or self._utterances or self._turns or self._calls or self._runner.busy)

    @property
    def open_calls(self) -> tuple[FunctionCall, ...]:
        """Calls to which the client owes a response, oldest first."""
        return self._calls.of_client

    def utter(self, text: str) -> None:
        """Say this after everything already queued."""
        self._say(Utterance(text=text, watch=started(), answers=False))

    def take_turn(self, turn: Turn) -> None:
        """Answer this after all earlier turns."""
        self._turns.append((turn, started(spoken=turn.spoken_ms is not None)))
        self._wake.set()

    def take_result(self, call: FunctionCall, content: str) -> None:
        """Continue what was waiting for this call."""
        watch = self._calls.answered(call)
        if not self._runner.take(call, content):
            self._say(Utterance(text=dialogue.reply_to_result(call.name, content), watch=watch, answers=True))

    def interrupt(self, text: str) -> tuple[FunctionCall, ...]:
        """Say this instead of what is being said or run; return the calls that are no longer awaited."""
        self._playing = None
        calls = self._runner.stop()
        self._utterances.appendleft(Utterance(text=text, watch=started(), answers=False))
        self._wake.set()
        return calls

    def stop(self) -> tuple[FunctionCall, ...]:
        """Stop, drop the current reply and all that is queued; return the calls that are no longer awaited."""
        self._playing = self._answering = None
        self._utterances.clear()
        self._background.cancel()
        return self._runner.stop() + self._calls.cancel_all()

    async def run(self) -> None:
        """Answer and speak for as long as the session lasts."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._background.raise_failure()
                while (action := self._next_action()) is not None:
                    await action
        finally:
            self._background.cancel()

    def _say(self, utterance: Utterance) -> None:
        self._utterances.append(utterance)
        self._wake.set()

    def _next_action(self) -> Awaitable[None] | None:
        """Finish what was begun first: a new turn waits for open calls, and everything waits while the user speaks."""
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
        await self._writer.transcribe("user", said)
        watch.transcribed()
        self._turns.popleft()  # only now: an agent about to answer is mid-turn
        if self._answering is not mine:
            return None
        matched = None if self._script is None else self._script.match(said)
        if matched is not None:
            return await self._runner.run(matched, watch)
        function = None if turn.text is None else dialogue.function_for(turn.text, self.functions)
        if function is None:
            return self._say(Utterance(text=turn.reply, watch=watch, answers=True))
        return await self._call(function, said, watch)

    async def _call(self, function: dialogue.Function, text: str, watch: Stopwatch) -> None:
        arguments = dialogue.arguments_for(function, text)
        endpoint = function.endpoint
        call = FunctionCall(
            id=f"fc_{uuid.uuid4()}", name=function.name, arguments=arguments, client_side=endpoint is None
        )
        self._calls.open(call, watch)
        await self._writer.write_message("AgentThinking", content=dialogue.thought_of_calling(call.name))
        await self._calls.request(call)
        if endpoint is not None and call in self._calls:
            self._background.start(self._call_endpoint(call, endpoint))

    async def _call_endpoint(self, call: FunctionCall, endpoint: function_endpoint.FunctionEndpoint) -> None:
        """Call a function's endpoint; cancelled with the call unless the answer has already arrived."""
        try:
            content = await function_endpoint.fetch(endpoint, call.arguments)
        except function_endpoint.EndpointFailed as failure:
            if call in self._calls:
                await self._give_up(call, failure)
            return
        if call in self._calls:
            await self._writer.answered(call, content)
        if call in self._calls:
            self.take_result(call, content)

    async def _give_up(self, call: FunctionCall, failure: function_endpoint.EndpointFailed) -> None:
        watch = self._calls.answered(call)
        self._say(Utterance(text=dialogue.reply_to_failure(call.name), watch=watch, answers=True))
        await self._writer.warn("FUNCTION_CALL_FAILED", f"{call.name}: {failure}.")

    async def _play(self, utterance: Utterance) -> None:
        """Say it, then send AgentAudioDone and LatencyReport unless it was interrupted."""
        mine = self._playing = object()
        utterance.watch.text_ready()
        if utterance.text is not None:
            await self._writer.transcribe("assistant", utterance.text)
        utterance.watch.audio_ready()
        if self.experimental and self._playing is mine:
            await self._writer.write_message("AgentStartedSpeaking", **utterance.watch.started_speaking())
        await self._stream(utterance.sound or voice.Speech(utterance.text or "", self._pace), mine)
        if self._playing is mine:
            self._playing = None
            await self._writer.write_message("AgentAudioDone")
            if utterance.answers:
                await self._writer.write_message("LatencyReport", **utterance.watch.report())

    async def _stream(self, sound: Sound | voice.Speech, mine: object) -> None:
        """Send frame n at start + n · 20 ms, less the lead, on the next tick, however late the previous one was."""
        if self.wav and self._playing is mine:
            await self._writer.send(voice.wav_header(self.audio, sound.milliseconds))
        loop = asyncio.get_running_loop()
        start = loop.time()
        for n, frame in enumerate(sound.frames(self.audio)):
            due = start + (n - _LEAD_FRAMES) * voice.FRAME_MS / 1000
            seconds = math.ceil(due / _TICK) * _TICK - loop.time()
            if seconds > 0:
                await asyncio.sleep(seconds)
            if self._playing is not mine:
                return
            await self._writer.send(frame)


class BackgroundTasks:
    """``on_done`` is called when one has ended; ``raise_failure`` then raises what it raised."""

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._on_done = on_done
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._on_done())

    def cancel(self) -> None:
        """Stop them all and ignore their failures."""
        for task in self._tasks:
            task.cancel()
            task.add_done_callback(_forget)
        self._tasks.clear()

    def raise_failure(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()


def _forget(task: asyncio.Task[None]) -> None:
    """Take its exception, so that asyncio does not print it."""
    if not task.cancelled():
        task.exception()
