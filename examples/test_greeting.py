"""The agent speaks first: wait for its greeting, in words and in sound."""

from pytest_dgbudget import VoiceAgent


async def test_greeting(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:  # the settings are those of agent.json, see pytest.ini
        greeting = await session.expect("ConversationText", role="assistant", timeout="5s")
        await session.expect("AgentAudioDone")

        assert "Pizza Lima" in greeting.data["content"]
        assert session.audio
