"""What users and agents say to one another, with the instants that count: one scene for each rule of latency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.support.speech import ENCODERS, Samples, mixed, noise, silence, tone
from tests.support.timed_vendor import AUDIO, Expected, Point, Scene, Stage

# The user speaks from here to there, in milliseconds of their audio; the end is no frame's and no window's.
BEGIN_MS, END_MS, LENGTH_MS = 200, 807, 1500
# How long after the user's end the vendor says what they said, and answers.
HEARD_MS, ANSWER_MS = 150, 400
FUNCTION_MS = 130
# How long a client that stops at the end of the speech sends nothing.
PAUSE_MS = 500
GREETING = "Hello, how can I help?"
WAV_HEADER = b"RIFF" + b"\xff" * 40


@dataclass(frozen=True, kw_only=True)
class Script:
    """One session: the vendor's scene, what the client says, and its Settings.

    It streams audio, waits where a text is ``until …`` (a message) or ``pause …`` (milliseconds), and injects others.
    ``unpaced``: the audio goes out at once.
    """

    scene: Scene
    says: tuple[str | bytes, ...] = ()
    encoding: str = "linear16"
    rate: int = 16_000
    frame_ms: int = 20
    greeting: str = ""
    container: str = "none"
    unpaced: bool = False

    @property
    def bytes_per_ms(self) -> float:
        return self.rate / 1000 * (2 if self.encoding == "linear16" else 1)

    @property
    def settings(self) -> dict[str, Any]:
        sound = {"encoding": self.encoding, "sample_rate": self.rate}
        output = {"encoding": "linear16", "sample_rate": 16_000, "container": self.container}
        listen = {"provider": {"type": "deepgram", "model": "nova-3"}}
        think = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
        agent = {"listen": listen, "think": think, "greeting": self.greeting}
        return {"type": "Settings", "audio": {"input": sound, "output": output}, "agent": agent}


def samples(rate: int, *, pause: bool = False, hiss: bool = False, length_ms: int = LENGTH_MS) -> Samples:
    """Return the user's audio, silence after it included."""
    spoken = tone(END_MS - BEGIN_MS, rate)
    if pause:
        spoken = [*tone(150, rate), *silence(300, rate), *tone(END_MS - BEGIN_MS - 450, rate)]
    sound = [*silence(BEGIN_MS, rate), *spoken, *silence(length_ms - END_MS, rate)]
    return mixed(sound, noise(length_ms, rate, -50)[: len(sound)]) if hiss else sound


async def begin(stage: Stage, *, header: bytes = b"", greet: bool = False) -> None:
    applied = await stage.say("SettingsApplied")
    if greet:
        await stage.after(applied, 100)
        await stage.says("assistant", GREETING)
        if header:
            await stage.speak(header)
            await stage.after(applied, 160)
        stage.greeting = (applied, await stage.speak())


async def spoken(stage: Stage, end_ms: float = END_MS, text: str = "hello") -> Point:
    """Hear the user to their end, and say what they said; return that end."""
    end = await stage.hears(end_ms)
    await stage.after(end, HEARD_MS)
    await stage.says("user", text)
    return end


async def answer(stage: Stage, start: Point, after_ms: float = ANSWER_MS) -> Point:
    await stage.after(start, after_ms)
    await stage.says("assistant", "It is on its way.")
    first = await stage.speak()
    await stage.speak()
    await stage.say("AgentAudioDone")
    return first


async def heard_and_answered(stage: Stage) -> None:
    await begin(stage)
    end = await spoken(stage)
    stage.turns.append(Expected("audio", end, await answer(stage, end)))


async def answered_late(stage: Stage) -> None:
    await begin(stage)
    end = await spoken(stage)
    await stage.hears(LENGTH_MS + 500)
    stage.turns.append(Expected("audio", end, await answer(stage, end, 1300)))


async def silence_after_a_pause(stage: Stage) -> None:
    await begin(stage)
    end = await stage.hears(END_MS)
    await stage.hears(END_MS + 200)
    await stage.says("user", "hello")
    stage.turns.append(Expected("audio", end, await answer(stage, end, PAUSE_MS + 400)))


def interrupted(*, done: bool, late_frames: bool, greets: bool = False, header: bytes = b"") -> Scene:
    """The user begins to speak while the agent does: what it still sends is no answer, nor is a header."""

    async def scene(stage: Stage) -> None:
        await begin(stage, greet=greets)
        if not greets:
            injected = await stage.told("InjectUserMessage")
            await stage.after(injected, 50)
            stage.turns.append(Expected("text", injected, await stage.speak()))
        began = await stage.hears(BEGIN_MS + 60)
        await stage.say("UserStartedSpeaking")
        if done:
            await stage.after(began, 20)
            await stage.say("AgentAudioDone")
        for after_ms in (60, 100) if late_frames else ():
            await stage.after(began, after_ms)
            await stage.speak()
        end = await spoken(stage)
        if header:
            await stage.speak(header)
        stage.turns.append(Expected("audio", end, await answer(stage, end)))

    return scene


async def two_parts_spoken(stage: Stage) -> None:
    await begin(stage)
    first = await spoken(stage, text="one")
    stage.turns.append(Expected("audio", first, None, continued=True))
    second = await spoken(stage, LENGTH_MS + END_MS, "two")
    stage.turns.append(Expected("audio", second, await answer(stage, second)))


async def injected_text(stage: Stage, content: str) -> Point:
    """Wait for a text and echo it."""
    point = await stage.told("InjectUserMessage")
    await stage.after(point, 20)
    await stage.says("user", content)
    return point


async def two_texts(stage: Stage) -> None:
    await begin(stage)
    first = await injected_text(stage, "one")
    stage.turns.append(Expected("text", first, None, continued=True))
    second = await injected_text(stage, "two")
    stage.turns.append(Expected("text", second, await answer(stage, second)))


async def two_turns(stage: Stage) -> None:
    await begin(stage)
    for content, reported_ms in (("one", 1234), ("two", 77)):
        point = await injected_text(stage, content)
        stage.turns.append(Expected("text", point, await answer(stage, point)))
        await stage.report(reported_ms)


async def nonsense_reported(stage: Stage) -> None:
    await begin(stage)
    point = await injected_text(stage, "one")
    nonsense: object
    for nonsense in ("1.5", None, True, -1, 1e300, 10**400, float("nan"), float("inf"), [1], {}):
        await stage.say("LatencyReport", total_latency=nonsense)
    stage.turns.append(Expected("text", point, await answer(stage, point)))
    await stage.report(450)


async def call(stage: Stage, id_: str) -> tuple[Point, Point]:
    function = {"id": id_, "name": "look_up", "arguments": "{}", "client_side": True}
    return await stage.say("FunctionCallRequest", functions=[function]), await stage.told("FunctionCallResponse")


async def function_before_answer(stage: Stage) -> None:
    await begin(stage)
    end = await spoken(stage)
    await stage.after(end, HEARD_MS + 50)
    calls = await call(stage, "f1")
    stage.turns.append(Expected("audio", end, await answer(stage, end, HEARD_MS + FUNCTION_MS + 200), calls))


async def filler_before_function(stage: Stage) -> None:
    await begin(stage)
    end = await spoken(stage)
    await stage.after(end, 250)
    stage.turns.append(Expected("audio", end, await stage.speak()))
    await call(stage, "f1")
    await answer(stage, end, 700)


async def text_during_greeting(stage: Stage) -> None:
    await begin(stage, greet=True)
    injected = await injected_text(stage, "one")
    await stage.after(injected, 60)
    await stage.speak()
    await stage.after(injected, 150)
    done = await stage.say("AgentAudioDone")
    stage.turns.append(Expected("text", done, await answer(stage, done, 250), overlapped=True))


async def text_after_greeting(stage: Stage) -> None:
    await greeting_alone(stage)
    injected = await injected_text(stage, "one")
    stage.turns.append(Expected("text", injected, await answer(stage, injected)))


async def greeting_alone(stage: Stage) -> None:
    await begin(stage, greet=True)
    await stage.speak()
    await stage.say("AgentAudioDone")


async def greeting_in_wav(stage: Stage) -> None:
    await begin(stage, greet=True, header=WAV_HEADER)
    await stage.say("AgentAudioDone")
    await header_first(stage)


async def header_first(stage: Stage) -> None:
    """A header alone is no answer; one with audio after it in the same message is."""
    alone = await injected_text(stage, "one")
    await stage.after(alone, 50)
    await stage.speak(WAV_HEADER)
    stage.turns.append(Expected("text", alone, await answer(stage, alone)))
    both = await injected_text(stage, "two")
    await stage.after(both, 100)
    stage.turns.append(Expected("text", both, await stage.speak(WAV_HEADER + AUDIO)))
    await stage.say("AgentAudioDone")


async def transcript_only(stage: Stage) -> None:
    await begin(stage)
    end = await stage.hears(END_MS)
    await stage.after(end, HEARD_MS)
    said = await stage.says("user", "hello")
    stage.turns.append(Expected("transcript", said, await answer(stage, end)))


async def all_at_once(stage: Stage) -> None:
    await begin(stage)
    end = await stage.hears(LENGTH_MS)
    await stage.after(end, HEARD_MS)
    await stage.says("user", "hello")
    stage.turns.append(Expected("audio", await stage.hears(END_MS), await answer(stage, end), unpaced=True))


async def no_answer(stage: Stage) -> None:
    await begin(stage)
    stage.turns.append(Expected("audio", await spoken(stage), None))


def audio(make: Callable[[int], Samples] = samples, **fields: Any) -> Script:
    """A script whose user speaks once."""
    script = Script(scene=fields.pop("scene", heard_and_answered), **fields)
    return replace(script, says=(*script.says, ENCODERS[script.encoding](make(script.rate))))


_speech = ENCODERS["linear16"](samples(16_000, length_ms=END_MS))
_twice = ENCODERS["linear16"](samples(16_000))
SCRIPTS: dict[str, Script] = {
    "speech": audio(),
    "frames of 100 ms": audio(frame_ms=100),
    "frames of 250 ms": audio(frame_ms=250),
    "noise at -50 dBFS": audio(lambda rate: samples(rate, hiss=True)),
    "a pause of 300 ms": audio(lambda rate: samples(rate, pause=True)),
    "a pause, noise, frames of 100 ms": audio(lambda rate: samples(rate, pause=True, hiss=True), frame_ms=100),
    "24 kHz": audio(rate=24_000),
    "24 kHz, frames of 250 ms": audio(rate=24_000, frame_ms=250),
    "mulaw": audio(encoding="mulaw", rate=8000),
    "alaw, frames of 100 ms": audio(encoding="alaw", rate=8000, frame_ms=100),
    "silence goes on": audio(lambda rate: samples(rate, length_ms=LENGTH_MS + 900), scene=answered_late),
    "silence after a pause": Script(scene=silence_after_a_pause, says=(_speech, f"pause {PAUSE_MS}", bytes(320 * 32))),
    "barge-in": audio(says=("go on",), scene=interrupted(done=True, late_frames=False)),
    "barge-in without its end": audio(says=("go on",), scene=interrupted(done=False, late_frames=False)),
    "late frames": audio(says=("go on",), scene=interrupted(done=False, late_frames=True)),
    "late frames after the end": audio(says=("go on",), scene=interrupted(done=True, late_frames=True)),
    "greeting interrupted": audio(
        greeting=GREETING, scene=interrupted(done=True, late_frames=False, greets=True), frame_ms=100
    ),
    "greeting interrupted, late frames": audio(
        greeting=GREETING, scene=interrupted(done=True, late_frames=True, greets=True)
    ),
    "greeting interrupted without its end": audio(
        greeting=GREETING, scene=interrupted(done=False, late_frames=True, greets=True)
    ),
    "barge-in without its end, WAV": audio(
        says=("go on",),
        container="wav",
        scene=interrupted(done=False, late_frames=False, header=WAV_HEADER),
    ),
    "two parts before one answer": Script(scene=two_parts_spoken, says=(_twice, _twice)),
    "two texts before one answer": Script(scene=two_texts, says=("one", "two")),
    "two texts": Script(scene=two_turns, says=("one", "until AgentAudioDone", "two")),
    "nonsense reported": Script(scene=nonsense_reported, says=("one",)),
    "a function before the answer": audio(scene=function_before_answer),
    "a filler and a function": audio(scene=filler_before_function),
    "a greeting": Script(scene=greeting_alone, greeting=GREETING),
    "a text during the greeting": Script(scene=text_during_greeting, greeting=GREETING, says=("until audio", "one")),
    "a text after the greeting": Script(
        scene=text_after_greeting, greeting=GREETING, says=("until AgentAudioDone", "one")
    ),
    "WAV": Script(
        scene=greeting_in_wav,
        greeting=GREETING,
        container="wav",
        says=("until AgentAudioDone", "one", "until AgentAudioDone", "two"),
    ),
    "no answer": audio(scene=no_answer),
    "at once": audio(scene=all_at_once, unpaced=True),
    "opus": Script(scene=transcript_only, says=(bytes(LENGTH_MS * 16),), encoding="opus"),
}
