"""A cassette takes hardly more than its audio, as FLAC, and its texts."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import soundfile

from pytest_dgbudget.cassette.store import write_cassettes
from tests.support.cassettes import cassette, ended
from tests.support.recorded_sessions import WELCOME, Step, settings
from tests.support.recordings import CLIENT, VENDOR
from tests.support.speech import ENCODERS

_BYTES = {"linear16": 2, "mulaw": 1}
_USER_RATE, _AGENT_RATE = 16_000, 24_000
# Where FLAC has no part in it, what is written beside the audio is most in proportion.
_TELEPHONE_RATE = 8_000


def speech(rate: int, encoding: str) -> bytes:
    """Return a minute that is as hard to compress as speech: voiced and unvoiced sounds, and pauses of silence."""
    random, samples = Random(rate), list[int]()
    while len(samples) < 4 * rate:
        for _ in range(random.randint(4, 12)):
            pitch, voice = random.uniform(90, 220), 4000 * (random.random() < 0.7)
            whole = random.randint(60, 200) * rate // 1000
            for n in range(whole):
                tone = sum(math.sin(2 * math.pi * pitch * k * n / rate) / k for k in (1, 2, 3, 5, 8))
                noise = random.gauss(0, 60 if voice else 900)
                samples.append(round(math.sin(math.pi * n / whole) * (voice * tone + noise)))
        samples += [0] * (random.randint(300, 1000) * rate // 1000)
    return ENCODERS[encoding](samples[: 4 * rate]) * 15


def streamed(audio: bytes, size: int, each_ms: float, who: str, begin_ms: int) -> Iterator[Step]:
    """Yield audio in pieces that come when a real clock lets them."""
    random = Random(size)
    for number, at in enumerate(range(0, len(audio), size)):
        yield begin_ms + round(number * each_ms + random.uniform(0, 3)), who, audio[at : at + size]


def conversation(user: bytes, agent: bytes, bytes_per_second: int) -> list[Step]:
    """The user streams for a minute; the agent says twelve sentences, each sent faster than it is said."""
    steps = [*streamed(user, len(user) // 3000, 20, CLIENT, 500)]
    sentence = len(agent) // 12
    for number in range(12):
        begin = 500 + 5000 * number
        said = f"This is sentence {number} of what takes about five seconds to say, more or less."
        text = {"role": "assistant", "content": said}
        steps.append((begin - 2, VENDOR, {"type": "ConversationText", **text}))
        steps.append((begin - 1, VENDOR, {"type": "History", **text}))
        part = agent[number * sentence :][:sentence]
        steps += streamed(part, 960, 960_000 / bytes_per_second / 2.5, VENDOR, begin)
        steps.append((begin + 2500, VENDOR, {"type": "AgentAudioDone"}))
    return sorted(steps, key=lambda step: step[0])


def as_flac(audio: bytes, rate: int) -> int:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=rate, channels=1, format="FLAC", subtype="PCM_16") as samples:
        samples.buffer_write(audio, dtype="int16")
    return len(file.getvalue())


@pytest.mark.parametrize(
    ("encoding", "user_rate", "agent_rate"),
    [("linear16", _USER_RATE, _AGENT_RATE), ("mulaw", _TELEPHONE_RATE, _TELEPHONE_RATE)],
)
def test_a_minute_both_ways_takes_little_more_than_audio_and_text(
    tmp_path: Path, encoding: str, user_rate: int, agent_rate: int
) -> None:
    user, agent = speech(user_rate, encoding), speech(agent_rate, encoding)
    steps = [
        WELCOME,
        settings(encoding, user_rate, output_rate=agent_rate),
        *conversation(user, agent, agent_rate * _BYTES[encoding]),
    ]
    (folder,) = write_cassettes(tmp_path / "test", [cassette(tmp_path / "recordings", steps, end=ended(62_000))])
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    is_flac = encoding == "linear16"
    audio = as_flac(user, user_rate) + as_flac(agent, agent_rate) if is_flac else len(user) + len(agent)
    ratio = sum(sizes.values()) / (audio + sizes["session.jsonl"])
    print(f"{encoding}: {sizes}, {ratio:.4f} times audio and text")
    assert ratio <= 1.1
