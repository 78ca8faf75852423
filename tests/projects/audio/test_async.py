"""User audio of async tests, in asyncio and in trio."""

import contextvars
import re
import wave
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from pytest_dgbudget import AsyncSession, SettingsError, VoiceAgent

pytestmark = pytest.mark.anyio

where: contextvars.ContextVar[str] = contextvars.ContextVar("where")


async def heard(session: AsyncSession) -> str:
    return (await session.expect("ConversationText", role="user")).content


async def test_words_said_aloud_are_heard(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        await session.say_aloud("Où est ma commande 你好?")
        assert await heard(session) == "Où est ma commande 你好?"
        assert (await session.expect("ConversationText", role="assistant")).content.startswith("You said: Où")


async def test_words_are_heard_in_the_encoding_of_the_settings(
    voice_agent: VoiceAgent, by_phone: dict[str, Any]
) -> None:
    async with voice_agent.connect(by_phone) as session:
        await session.say_aloud("Hello?", pace=None)
        assert await heard(session) == "Hello?"


async def test_texts_of_one_turn_are_heard_together(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        await session.say_aloud("Where is", trailing=0)
        await session.say_aloud("my order?")
        assert await heard(session) == "Where is my order?"


async def test_an_async_iterable_is_advanced_in_the_task_of_the_test(
    voice_agent: VoiceAgent, words: list[bytes]
) -> None:
    where.set("here")
    task = anyio.get_current_task().id

    async def source() -> AsyncIterator[bytes]:
        with anyio.fail_after(30):
            for word in words:
                assert (anyio.get_current_task().id, where.get()) == (task, "here")
                await anyio.sleep(0.001)
                yield word

    async with voice_agent.connect() as session:
        await session.send_audio(source())
        assert await heard(session) == "Where is my order A-17?"


async def test_an_iterable_is_sent_piece_by_piece(voice_agent: VoiceAgent, words: list[bytes]) -> None:
    async with voice_agent.connect() as session:
        whole = b"".join(words)
        await session.send_audio(whole[start : start + 333] for start in range(0, len(whole), 333))
        assert await heard(session) == "Where is my order A-17?"


async def test_a_source_that_fails_raises_its_error_and_the_session_goes_on(
    voice_agent: VoiceAgent, words: list[bytes]
) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield words[0]
        raise KeyError("no more words")

    async with voice_agent.connect() as session:
        with pytest.raises(KeyError, match="no more words"):
            await session.send_audio(source())
        await session.send_audio(b"")
        assert await heard(session) == "Where"
        await session.wait_for_reply()
        assert "hello" in (await session.say("hello")).reply


async def test_audio_that_is_cancelled_is_heard_up_to_there(voice_agent: VoiceAgent) -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    async with voice_agent.connect() as session:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(session.say_aloud, " ".join(words), pace=1.0))
            await session.expect("UserStartedSpeaking")
            await anyio.sleep(0.3)
            group.cancel_scope.cancel()
        await session.send_audio(b"")
        said = (await heard(session)).split()
        assert said == words[: len(said)]
        assert 1 <= len(said) < 9


async def test_a_file_is_converted_on_request(voice_agent: VoiceAgent, studio: Path) -> None:
    async with voice_agent.connect() as session:
        with pytest.raises(SettingsError, match=r"44100 Hz, not 24000 Hz; it has 2 channels"):
            await session.send_audio(studio)
        await session.send_audio(studio, resample=True)
        assert re.fullmatch(r"\(speech, (0\.9|1\.0) s\)", await heard(session))


async def test_an_open_file_is_read(voice_agent: VoiceAgent, words: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"".join(words))
    async with voice_agent.connect() as session:
        with (tmp_path / "raw").open("rb") as file:
            await session.send_audio(file)
        assert await heard(session) == "Where is my order A-17?"


async def test_what_the_agent_said_is_saved(voice_agent: VoiceAgent, by_phone: dict[str, Any], tmp_path: Path) -> None:
    async with voice_agent.connect() as session:
        turn = await session.say("hello")
        with wave.open(str(session.save_audio(tmp_path / "said.wav"))) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
            assert file.getnframes() * 2 >= len(turn.audio)
    async with voice_agent.connect(by_phone) as session:
        await session.say("one")
        await session.say("two")
        assert session.audio.count(b"RIFF") > 1
        assert session.save_audio(tmp_path / "phone.wav").read_bytes().count(b"RIFF") == 1
