"""A user's file whose author has types checked, strictly."""

import os
import re
import subprocess
import sys

import pytest

from pytest_dgbudget import (
    AsyncSession,
    BypassRefused,
    ConversationText,
    Endpoint,
    FunctionCallRequest,
    Message,
    MessageType,
    Session,
    Turn,
    Usage,
    VoiceAgent,
)


@pytest.fixture(scope="session")
def variables(voice_agent_endpoint: Endpoint) -> dict[str, str]:
    return {**os.environ, **voice_agent_endpoint.environ}


@pytest.mark.asyncio
@pytest.mark.dg_budget("30s", idle="10s")
async def test_an_order(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(tags=["typed"]) as session:

        @session.on_function("order_status")
        async def order_status(order: str) -> dict[str, str]:
            return {"order": order, "status": "on its way"}

        turn: Turn = await session.say("Where is my order?", timeout="10s")
        assert "order" in turn.reply.lower()
        await session.send({"type": "UpdatePrompt", "prompt": "Be brief."})
        updated: Message = await session.expect("PromptUpdated", timeout=5)
        assert updated.data["type"] == "PromptUpdated"
        assert said_by_agent(session)
    usage: Usage = voice_agent.usage
    assert usage.sessions == 1


def test_a_greeting(voice_agent: VoiceAgent, variables: dict[str, str]) -> None:
    with voice_agent.connect() as session:
        welcome = session.expect("Welcome")
        assert welcome.request_id.strip() == session.request_id
        said = session.expect("ConversationText", role="assistant", content=re.compile("hello", re.IGNORECASE))
        assert said.content.startswith("Hello")
        assert names_of(session.events())[0] == "Welcome"
    subprocess.run([sys.executable, "-c", ""], env=variables, check=True)


def said_by_agent(session: AsyncSession | Session) -> list[str]:
    return [said.content for said in session.transcript if said.role == "assistant"]


def names_of(messages: list[Message]) -> list[str]:
    return [message.type for message in messages]


def first_call(session: Session, kind: MessageType = "FunctionCallRequest") -> str:
    for message in session.events():
        if isinstance(message, FunctionCallRequest):
            return message.functions[0].name.upper()
        if isinstance(message, ConversationText):
            return message.content.upper()
    return session.expect("FunctionCallRequest").functions[0].arguments + session.expect(kind).type


def advice(refused: BypassRefused) -> str:
    return refused.host + refused.path + (refused.program or "")


def what_a_checker_finds(voice_agent: VoiceAgent, session: Session, endpoint: Endpoint) -> None:
    session.expect("Welcome").content  # type: ignore  # noqa: B018 - each checker has names of its own
    session.expect("ThinkUpdated").content  # type: ignore  # noqa: B018
    session.expect("ConversationText").content.nothing  # type: ignore  # noqa: B018
    voice_agent.connect(3)  # type: ignore
    voice_agent.nothing  # type: ignore  # noqa: B018
    endpoint.environ["DEEPGRAM_API_KEY"].nothing  # type: ignore  # noqa: B018
