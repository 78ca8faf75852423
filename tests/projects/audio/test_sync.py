"""User audio of plain tests."""

import threading
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pytest_dgbudget import ExpectTimeout, Session, SettingsError, VoiceAgent


def heard(session: Session) -> str:
    return session.expect("ConversationText", role="user").content


def test_words_said_aloud_are_heard_sync(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say_aloud("Where is my order?")
        assert heard(session) == "Where is my order?"
        session.say_aloud("Thanks.", pace=1.0)
        assert heard(session) == "Thanks."


def test_a_recording_is_not_read_where_an_emulator_hears_but_has_to_be_there(
    voice_agent: VoiceAgent, tmp_path: Path
) -> None:
    recording = tmp_path / "hello.wav"
    with voice_agent.connect() as session:
        with pytest.raises(FileNotFoundError):
            session.say_aloud("Hello.", recording=recording)
        recording.write_bytes(b"no audio")
        session.say_aloud("Hello.", recording=recording)
        assert heard(session) == "Hello."


def test_an_iterable_is_advanced_on_the_thread_of_the_test(voice_agent: VoiceAgent, words: list[bytes]) -> None:
    threads = set()

    with voice_agent.connect() as session:

        def source() -> Iterator[bytes]:
            for word in words:
                threads.add(threading.get_ident())
                yield word
            session.expect("UserStartedSpeaking")  # the session may be used meanwhile

        session.send_audio(source())
        assert threads == {threading.get_ident()}
        assert heard(session) == "Where is my order A-17?"


def test_a_source_that_fails_raises_its_error_and_no_more_is_sent(voice_agent: VoiceAgent, words: list[bytes]) -> None:
    def source() -> Iterator[bytes]:
        yield b"".join(words)
        session.expect("UserStartedSpeaking")
        raise KeyError("no more words")

    with voice_agent.connect() as session:
        with pytest.raises(KeyError, match="no more words"):
            session.send_audio(source(), pace=1.0)
        session.send_audio(b"")
        assert "order" not in heard(session)
        with pytest.raises(ExpectTimeout):
            session.expect("UserStartedSpeaking", timeout="500ms")


def test_a_file_of_the_agents_own_words_is_heard_again(
    voice_agent: VoiceAgent, words: list[bytes], studio: Path, tmp_path: Path
) -> None:
    with wave.open(str(tmp_path / "kept.wav"), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(b"".join(words))
    with voice_agent.connect() as session:
        session.send_audio(tmp_path / "kept.wav")
        assert heard(session) == "Where is my order A-17?"
        session.send_audio((tmp_path / "kept.wav").read_bytes())
        assert heard(session) == "Where is my order A-17?"
        with pytest.raises(SettingsError, match=r"studio\.wav does not fit"):
            session.send_audio(str(studio))
        session.send_audio(studio, resample=True)
        assert heard(session).startswith("(speech, ")


def test_async_iterables_need_an_async_test(voice_agent: VoiceAgent) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b""

    with (
        voice_agent.connect() as session,
        pytest.raises(SettingsError, match="an async iterable of audio needs an async test"),
    ):
        session.send_audio(source())  # type: ignore[arg-type]


def test_what_the_agent_said_is_saved_sync(voice_agent: VoiceAgent, tmp_path: Path) -> None:
    with voice_agent.connect() as session:
        session.say("hello")
        path = session.save_audio(str(tmp_path / "said.wav"))
        with pytest.raises(SettingsError, match=r"said\.mp3 should end in \.wav"):
            session.save_audio(tmp_path / "said.mp3")
    with wave.open(str(path)) as file:
        assert file.getnframes() * 2 == len(session.audio)
