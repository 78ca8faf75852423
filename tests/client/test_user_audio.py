"""User audio and the silence after it: a turn ends by audio that arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedOK

from pytest_dgbudget.client.audio import Speed
from pytest_dgbudget.client.user_audio import UserAudio
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.carried_words import WordReader

RATE = 8000
FRAME = RATE // 50 * 2  # bytes of 20 ms


class Session:
    """Takes what is sent, by whoever waits and in the background; it is over after so many messages."""

    def __init__(
        self,
        *,
        encoding: str = "linear16",
        skips_time: bool = False,
        is_emulated: bool = True,
        ends_after: int = 10_000,
    ) -> None:
        settings = {"audio": {"input": {"encoding": encoding, "sample_rate": RATE}}}
        self.sent: list[bytes] = []
        self.came = asyncio.Event()
        self.failed = False  # whoever waits for this session is told of a failure
        self.audio = UserAudio(
            settings, self._send, cast(ClientConnection, self), skips_time=skips_time, is_emulated=is_emulated
        )
        self._ends_after = ends_after

    async def _send(self, data: bytes) -> None:
        assert not self.failed
        await self.send(data)

    async def send(self, data: bytes) -> None:
        if len(self.sent) >= self._ends_after:
            raise ConnectionClosedOK(None, None)
        self.sent.append(data)
        self.came.set()

    async def more(self) -> None:
        self.came.clear()
        await asyncio.wait_for(self.came.wait(), 10)


async def speak(session: Session, audio: bytes, speed: Speed, trailing: float) -> None:
    part = session.audio.part(speed, trailing)
    await part.add(audio)
    await part.end()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


SPEECH = b"\1\2" * (RATE // 50)


def test_silence_goes_on_in_the_background_after_the_audio() -> None:
    async def work() -> None:
        session = Session()
        await speak(session, SPEECH, "of the target", 3)
        said = len(session.sent)
        for _ in range(3):
            await session.more()
        assert session.sent[0] == SPEECH
        assert set(session.sent[said:]) == {bytes(FRAME)}
        session.audio.stop()
        before = len(session.sent)
        await asyncio.sleep(0.1)
        assert len(session.sent) == before

    run(work())


def test_it_lasts_no_longer_than_it_is_told() -> None:
    async def work() -> None:
        session = Session()
        await speak(session, SPEECH, None, 0.1)
        assert session.audio._silence is not None
        await asyncio.wait_for(session.audio._silence, 10)
        assert session.sent == [SPEECH, *[bytes(FRAME)] * 5]

    run(work())


def test_the_next_audio_ends_it() -> None:
    async def work() -> None:
        session = Session()
        await speak(session, SPEECH, None, 3)
        first = session.audio._silence
        await speak(session, SPEECH, None, 0)
        assert first is not None
        await asyncio.wait([first], timeout=10)
        assert first.cancelled()

    run(work())


@pytest.mark.parametrize(("trailing", "seconds"), [(3.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_where_time_is_skipped_one_second_of_it_is_sent_at_once(trailing: float, seconds: float) -> None:
    async def work() -> None:
        session = Session(skips_time=True)
        await speak(session, SPEECH * 50, "of the target", trailing)
        assert session.audio._silence is None
        assert b"".join(session.sent) == SPEECH * 50 + bytes(round(RATE * seconds) * 2)

    loop = asyncio.new_event_loop()
    began = loop.time()
    loop.run_until_complete(work())
    assert loop.time() - began < 0.9  # of the second that it lasts
    loop.close()


@pytest.mark.parametrize(("speed", "least"), [(1.0, 0.2), (2.0, 0.1)])
def test_a_pace_that_is_given_stands_even_there(speed: Speed, least: float) -> None:
    async def work() -> None:
        session = Session(skips_time=True)
        began = asyncio.get_running_loop().time()
        await speak(session, SPEECH * 10, speed, 0)
        assert asyncio.get_running_loop().time() - began >= least

    run(work())


def test_of_a_compressed_encoding_there_is_none() -> None:
    async def work() -> None:
        session = Session(encoding="opus")
        await speak(session, b"x" * 10, None, 3)
        assert session.audio._silence is None
        assert session.sent == [b"x" * 10]

    run(work())


def test_the_end_of_the_session_ends_it_without_a_word() -> None:
    async def work() -> None:
        session = Session(ends_after=2)
        await speak(session, SPEECH, None, 3)
        assert session.audio._silence is not None
        await asyncio.wait_for(session.audio._silence, 10)

    run(work())


def test_a_failure_of_the_session_is_left_to_whoever_waits() -> None:
    async def work() -> None:
        session = Session()
        await speak(session, SPEECH, None, 0.1)
        session.failed = True
        assert session.audio._silence is not None
        await asyncio.wait_for(session.audio._silence, 10)
        assert session.sent == [SPEECH, *[bytes(FRAME)] * 5]

    run(work())


# Parts


def test_the_next_piece_may_be_made_while_one_is_sent() -> None:
    async def work() -> None:
        session = Session()
        part = session.audio.part(1.0, 0)
        await part.add(SPEECH * 10)
        assert len(session.sent) < 10
        await part.add(SPEECH)
        assert len(session.sent) == 10
        await part.end()
        assert len(session.sent) == 11

    run(work())


def test_a_part_that_is_broken_off_sends_no_more() -> None:
    async def work() -> None:
        session = Session()
        part = session.audio.part(1.0, 3)
        await part.add(SPEECH * 10)
        await session.more()
        part.stop()
        with pytest.raises(asyncio.CancelledError):
            await part.end()
        assert len(session.sent) < 10

    run(work())


def test_what_went_wrong_with_a_piece_is_raised_by_the_next() -> None:
    async def work() -> None:
        session = Session(ends_after=0)
        part = session.audio.part(None, 3)
        await part.add(SPEECH)
        with pytest.raises(ConnectionClosedOK):
            await part.add(SPEECH)

    run(work())


# Texts


def test_an_emulator_is_sent_the_words_themselves_and_no_recording() -> None:
    async def work() -> None:
        source = Session(encoding="mulaw").audio.aloud("Where is my order?", b"a recording")
        words = WordReader(AudioFormat("mulaw", RATE))
        words.add(source)
        assert words.take() == "Where is my order?"

    run(work())


def test_others_are_sent_the_recording() -> None:
    async def work() -> None:
        assert Session(is_emulated=False).audio.aloud("Where is my order?", b"a recording") == b"a recording"

    run(work())


def test_without_a_recording_the_error_says_what_to_record_and_where_to_pass_it() -> None:
    async def work() -> None:
        with pytest.raises(SettingsError) as refused:
            Session(is_emulated=False).audio.aloud("Where is my order?", None)
        assert "record somebody who says 'Where is my order?'" in str(refused.value)
        assert 'say_aloud(…, recording="PATH.wav")' in str(refused.value)

    run(work())


@pytest.mark.parametrize("is_emulated", [True, False])
def test_a_recording_that_is_missing_is_missed_before_a_live_run(is_emulated: bool, tmp_path: Path) -> None:
    async def aloud() -> None:
        with pytest.raises(FileNotFoundError):
            Session(is_emulated=is_emulated).audio.aloud("Where is my order?", tmp_path / "none.wav")

    run(aloud())
