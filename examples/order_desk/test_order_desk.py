"""A suite for an agent that tells callers where their order is.

The agent is emulated, as agent.toml says. Live it would be the real one, and what callers say aloud would be
recordings: ``say_aloud("…", recording="stop.wav")``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import OrderDesk

from pytest_dgbudget import AsyncSession

AGENT = str(Path(__file__).with_name("agent.toml"))
pytestmark = pytest.mark.dg_scenario(AGENT)
in_real_time = pytest.mark.dg_scenario(AGENT, pace="vendor")


async def test_tells_where_an_order_is(call: AsyncSession) -> None:
    turn = await call.say("Where is my order A-17?")

    assert [asked.parsed_arguments for asked in call.function_calls("order_status")] == [{"order_id": "A-17"}]
    assert "tomorrow" in turn.reply


async def test_cancels_only_what_the_caller_confirms(call: AsyncSession, desk: OrderDesk) -> None:
    await call.say("Please cancel order B-2.")
    assert desk.cancelled == [], "cancelled before the caller confirmed it"

    await call.say("Yes, I am sure.")
    assert desk.cancelled == ["B-2"]


@in_real_time
async def test_stops_when_the_caller_speaks(call: AsyncSession) -> None:
    await call.wait_until_silent()  # the greeting
    await call.send({"type": "InjectUserMessage", "content": "What are your terms of delivery?"})

    cut = await call.barge_in("Stop, please.", after="700ms")
    assert cut.noticed_at - cut.spoke_at < 1, "the agent talked on for over a second"
    assert cut.late_seconds < 0.5, "audio of the old reply came after the agent had noticed"

    turn = await call.wait_for_reply()
    assert turn.user_transcript == "Stop, please."
    assert "What would you like" in turn.reply


async def test_does_not_answer_a_caller_who_says_nothing(call: AsyncSession) -> None:
    await call.wait_until_silent()
    greeted = len(call.transcript)

    await call.send_audio(bytes(2 * 16_000 * 3), trailing=0)  # three seconds of silence

    assert [f"{said.role}: {said.content}" for said in call.transcript[greeted:]] == []


async def test_a_caller_who_is_asked_again_is_answered(call: AsyncSession) -> None:
    await call.wait_until_silent()
    await call.inject_agent_message("Are you still there?")

    await call.say_aloud("Yes. Where is my order A-17?")
    turn = await call.wait_for_reply()

    assert turn.user_transcript == "Yes. Where is my order A-17?"
    assert "tomorrow" in turn.reply


async def test_hands_complaints_over(call: AsyncSession) -> None:
    turn = await call.say("I want to complain.")
    assert "put you through" in turn.reply

    await call.update_prompt("You are Ben now. You deal with complaints.")
    await call.update_speak({"provider": {"type": "deepgram", "model": "aura-2-orion-en"}})
    await call.inject_agent_message("This is Ben. What happened?")

    turn = await call.say("My parcel was a week late.")
    assert "sorry" in turn.reply
