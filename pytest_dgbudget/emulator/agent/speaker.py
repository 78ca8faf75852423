"""The agent's side of one session: answers turns in order, says one thing at a time, as fast as the vendor was seen to.

Seen in recordings (docs/emulator-fidelity.md): audio goes out faster than it plays, sentence by sentence; no sentence
is begun, in text or sound, before the one before it would have been heard; AgentAudioDone follows the last audio
*sent*.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.agent import dialogue, function_endpoint
from pytest_dgbudget.emulator.agent.dialogue import Turn
from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.agent.message_writer import FunctionCall, MessageWriter, OpenCalls
from pytest_dgbudget.emulator.agent.runner import ScenarioRunner
from pytest_dgbudget.emulator.agent.utterance import Part, Playback, Utterance, reply_parts, whole_part
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.codes import FAILED_TO_THINK, ProtocolError
from pytest_dgbudget.emulator.scenarios.scenario import Script
from pytest_dgbudget.emulator.session_clock import SessionClock
from pytest_dgbudget.emulator.timing import FRAME_MS, Timing
from pytest_dgbudget.emulator.vendor import Vendor
from pytest_dgbudget.rules.audio import AudioFormat

_WARNED_EVERY = 5  # seconds of thinking


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What was stopped: calls that are no longer awaited, and what was being said."""

    calls: tuple[FunctionCall, ...]
    playback: Playback | None


class Speaker:
    """Runs beside the session's reader, which gives it turns and utterances and may interrupt it.

    ``script`` takes precedence over the emulator's own dialogue. ``think_delay`` returns the seconds by which faults
    make it think longer.
    """

    def __init__(
        self,
        writer: MessageWriter,
        script: Script | None,
        *,
        clock: SessionClock,
        timing: Timing,
        vendor: Vendor,
        user_speaking: Callable[[], bool],
        think_delay: Callable[[], float],
    ) -> None:
        self.functions: tuple[dialogue.Function, ...] = ()
        self.audio = AudioFormat()
        self.wav = False
        self._writer = writer
        self._script = script
        self._clock = clock
        self._timing = timing
        self._vendor = vendor
        self._user_speaking = user_speaking
        self._think_delay = think_delay
        self._utterances: deque[Utterance] = deque()
        self._turns: deque[tuple[Turn, Stopwatch]] = deque()
        self._calls = OpenCalls(writer)
        self._runner = ScenarioRunner(writer, self._calls, clock, timing, self._play)
        self._playback: Playback | None = None
        self._heard_until = 0.0  # when what was sent will have been played
        self._action: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._background = BackgroundTasks(self._wake.set)

    @property
    def mid_turn(self) -> bool:
        """Whether the agent is speaking, about to, or waiting for a function."""
        return bool(self._action or self._utterances or self._turns or self._calls)

    @property
    def open_calls(self) -> tuple[FunctionCall, ...]:
        """Calls to which the client owes a response, oldest first."""
        return self._calls.of_client

    def greet(self, text: str) -> None:
        self._say(self._utterance(whole_part(text, self._timing)))

    def utter(self, text: str) -> None:
        """Say this after everything already queued."""
        self._say(self._utterance(reply_parts(text, self._timing)))

    def hear_out(self) -> None:
        """Go on when all that was sent has been heard, where time is skipped."""
        self._clock.skip_to(self._heard_until)

    def take_turn(self, turn: Turn) -> None:
        """Answer this after all earlier turns."""
        self._turns.append((turn, Stopwatch(self._clock.seconds, spoken=turn.spoken_ms is not None)))
        self._wake.set()

    def take_result(self, call: FunctionCall, content: str) -> None:
        """Continue what was waiting for this call."""
        watch = self._calls.answered(call)
        if not self._runner.take(call, content):
            self._say_result(dialogue.reply_to_result(call.name, content), watch)

    def interrupt(self, text: str) -> tuple[FunctionCall, ...]:
        """Say this instead of what is being said or run; return the calls that are no longer awaited."""
        self._stop_action()
        calls = self._runner.stop()
        self._utterances.appendleft(self._utterance(reply_parts(text, self._timing)))
        self._wake.set()
        return calls

    def stop(self) -> Interrupted:
        """Stop, and drop the current reply and all that is queued."""
        playback = self._stop_action()
        self._utterances.clear()
        self._background.cancel()
        return Interrupted(self._runner.stop() + self._calls.cancel_all(), playback)

    async def end_interrupted(self, playback: Playback | None) -> None:
        """Send what still comes of a reply that the user has interrupted."""
        if playback is None or not playback.heard:
            return
        for _, frame in itertools.islice(playback.frames, self._vendor.late_frames):
            await self._writer.send(frame)
        if self._vendor.late_sentence and playback.left and playback.left[0].text:
            await self._writer.transcribe("assistant", playback.left[0].text)
        if self._vendor.audio_done_at_interruption:
            await self._writer.write_message("AgentAudioDone")

    async def run(self) -> None:
        """Answer and speak for as long as the session lasts."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._background.raise_failure()
                while (action := self._next_action()) is not None:
                    await self._perform(action)
        finally:
            self._background.cancel()

    async def _perform(self, action: Coroutine[Any, Any, None]) -> None:
        """Run this until it is done or stopped."""
        current = self._action = asyncio.ensure_future(action)
        try:
            await asyncio.wait([current])
        finally:
            current.cancel()  # does nothing unless the session ends
            if self._action is current:
                self._action = self._playback = None
        if not current.cancelled():
            await self._report_failure(current.exception())

    async def _report_failure(self, failure: BaseException | None) -> None:
        """Raise it, unless it is an Error that ends no more than the turn."""
        if failure is None:
            return
        ends_turn = isinstance(failure, ProtocolError) and failure.code == FAILED_TO_THINK
        if not (ends_turn and self._vendor.failed_to_think == "ends-turn"):
            raise failure
        assert isinstance(failure, ProtocolError)
        await self._writer.write_message("Error", description=failure.description, code=failure.code)

    def _stop_action(self) -> Playback | None:
        """Stop what is being done; return what was being said."""
        playback, self._playback, self._heard_until = self._playback, None, 0.0
        if self._action is not None:
            self._action.cancel()
            self._action = None
        return playback

    def _utterance(self, parts: tuple[Part, ...]) -> Utterance:
        """Return what answers no turn."""
        due = max(self._clock.seconds() + self._timing.first_sound_ms / 1000, self._heard_until)
        return Utterance(parts=parts, due=due, watch=Stopwatch(self._clock.seconds))

    def _say_result(self, text: str, watch: Stopwatch) -> None:
        due = max(self._clock.seconds() + self._timing.after_function_ms / 1000, self._heard_until)
        self._say(Utterance(parts=reply_parts(text, self._timing), due=due, watch=watch, answers=True))

    def _say(self, utterance: Utterance) -> None:
        self._utterances.append(utterance)
        self._wake.set()

    def _next_action(self) -> Coroutine[Any, Any, None] | None:
        """Finish what was begun first: a new turn waits for open calls, and everything waits while the user speaks."""
        if self._user_speaking():
            return None
        if self._utterances:
            return self._play(self._utterances.popleft())
        if self._turns and not self._calls:
            return self._answer(*self._turns.popleft())
        return None

    async def _answer(self, turn: Turn, watch: Stopwatch) -> None:
        said = turn.transcript
        self._heard_until = 0.0
        await self._writer.end_turn(turn.trigger)
        await self._writer.transcribe("user", said)
        await self._clock.let_client_react()
        watch.transcribed()
        due = self._clock.seconds() + self._timing.thinking_ms / 1000
        await self._delay_thought()
        matched = None if self._script is None else self._script.match(said)
        if matched is not None:
            return await self._runner.run(matched, watch, due)
        function = None if turn.text is None else dialogue.function_for(turn.text, self.functions)
        if function is not None:
            await self._clock.sleep_until(due)
            return await self._call(function, said, watch)
        reply = Utterance(parts=reply_parts(turn.reply, self._timing), due=due, watch=watch, answers=True)
        return await self._play(reply)

    async def _call(self, function: dialogue.Function, text: str, watch: Stopwatch) -> None:
        endpoint = function.endpoint
        call = FunctionCall(
            name=function.name,
            arguments=dialogue.arguments_for(function, text),
            client_side=endpoint is None,
        )
        self._calls.open(call, watch)
        if self._vendor.agent_thinking:
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
        self._say_result(dialogue.reply_to_failure(call.name), watch)
        await self._writer.warn("FUNCTION_CALL_FAILED", f"{call.name}: {failure}.")

    async def _play(self, utterance: Utterance) -> None:
        """Say it, then send AgentAudioDone unless more of the turn follows."""
        playback = self._playback = Playback()
        await self._prepare(utterance)
        for n, part in enumerate(utterance.parts):
            await self._clock.sleep_until(self._heard_until)
            now = self._clock.seconds()
            playback.begin(part, self.audio, left=utterance.parts[n + 1 :], at=now)
            self._heard_until = now + part.sound.milliseconds / 1000
            await self._play_part(playback, part, utterance if n == 0 else None)
        if utterance.last:
            self._playback = None
            await self._writer.write_message("AgentAudioDone")
            if utterance.answers and self._vendor.latency_reports == "whole":
                await self._writer.write_message("LatencyReport", **utterance.watch.report())

    async def _prepare(self, utterance: Utterance) -> None:
        """Wait until it is thought of, and then until there is sound."""
        due = max(utterance.due, self._heard_until)
        await self._clock.sleep_until(due - self._timing.first_sound_ms / 1000)
        utterance.watch.text_ready()
        if utterance.answers and self._vendor.latency_reports == "partial":
            await self._writer.report_latencies(utterance.watch.of_thinking())
        await self._clock.sleep_until(due)
        utterance.watch.audio_ready()

    async def _play_part(self, playback: Playback, part: Part, begins: Utterance | None) -> None:
        """Send its text and its sound; ``begins`` is the utterance if this is its first part."""
        if self.wav and begins is not None:
            length = sum(each.sound.milliseconds for each in begins.parts)
            await self._writer.send(voice.wav_header(self.audio, length))
        if self._vendor.audio_before_text:
            await self._send_frames(playback, most=1)
        if part.text is not None:
            await self._writer.transcribe("assistant", part.text)
        if begins is not None:
            await self._report_sound(begins)
        await self._clock.let_client_react()
        await self._send_frames(playback)

    async def _report_sound(self, utterance: Utterance) -> None:
        if utterance.answers and self._vendor.latency_reports == "partial":
            await self._writer.report_latencies(utterance.watch.of_speaking())
        if self._vendor.agent_started_speaking:
            await self._writer.write_message("AgentStartedSpeaking", **utterance.watch.started_speaking())

    async def _send_frames(self, playback: Playback, most: int | None = None) -> None:
        """Send frame n when it is due, however late the one before it was."""
        between = FRAME_MS / 1000 / self._timing.speed
        for n, frame in itertools.islice(playback.frames, most):
            await self._clock.sleep_until(playback.began + n * between)
            playback.heard = True
            await self._writer.send(frame)

    async def _delay_thought(self) -> None:
        """Think longer if a fault says so, with the vendor's warnings; in real time, as all faults are."""
        delay = self._think_delay()
        for waited in range(_WARNED_EVERY, int(delay) + 1, _WARNED_EVERY):
            await asyncio.sleep(_WARNED_EVERY)
            text = f"We have now waited {waited} seconds for a think response."  # as seen
            await self._writer.warn("SLOW_THINK_REQUEST", text)
        await asyncio.sleep(delay % _WARNED_EVERY)


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
