"""Sound in, sound out: the user speaks, from a WAV file and in words of the test's, and what the agent said is kept.

The file holds a second of noise shaped like speech, which is enough for the emulator. A live agent needs real words:
put a recording of yours in its place.
"""

import wave
from pathlib import Path

from pytest_dgbudget import VoiceAgent

QUESTION = Path(__file__).parent / "audio" / "question.wav"
ORDER = "A pizza with olives, please."


async def test_audio(voice_agent: VoiceAgent, tmp_path: Path) -> None:
    async with voice_agent.connect() as session:
        await session.wait_until_silent()  # let the agent finish its greeting

        await session.send_audio(QUESTION)  # in real time, as from a microphone
        turn = await session.wait_for_reply()
        assert len(turn.audio) > 24000  # bytes: over half a second

        await session.say_aloud(ORDER, recording=QUESTION)  # the emulator hears the words, a live agent the recording
        turn = await session.wait_for_reply()
        path = session.save_audio(tmp_path / "call.wav")

    if voice_agent.target == "emulator":
        assert turn.user_transcript == ORDER
    with wave.open(str(path)) as file:
        assert file.getnframes() == len(session.audio) / 2
