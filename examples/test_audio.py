"""Sound in, sound out: the user speaks from a WAV file, the agent's answer is kept as one.

The file holds a second of noise shaped like speech, which is enough for the emulator. A live agent needs real words:
put a recording of yours in its place.
"""

import wave
from pathlib import Path

from pytest_dgbudget import VoiceAgent

QUESTION = Path(__file__).parent / "audio" / "question.wav"


async def test_audio(voice_agent: VoiceAgent, tmp_path: Path) -> None:
    async with voice_agent.connect() as session:
        await session.expect("AgentAudioDone")  # let the agent finish its greeting
        heard_before = len(session.audio)

        await session.send_audio(QUESTION)  # in real time, as from a microphone
        await session.expect("ConversationText", role="user")
        await session.expect("AgentAudioDone")
        answer = session.audio[heard_before:]

    with wave.open(str(tmp_path / "answer.wav"), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))  # the output format that agent.json asks for
        file.writeframes(answer)
        assert file.getnframes() > 24000 / 2  # over half a second
