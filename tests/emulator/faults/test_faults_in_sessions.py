"""What faults do to the order of things: nothing overtakes, what has begun ends, what is cleared is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.exceptions import InvalidStatus

from pytest_dgbudget.emulator.faults.grants import Grant
from pytest_dgbudget.emulator.faults.kinds import Fault, read_fault
from pytest_dgbudget.emulator.faults.timers import FaultTimers, FaultyConnection
from pytest_dgbudget.emulator.server import Emulator
from tests.emulator.conftest import BRIEF
from tests.support.emulator_api import until
from tests.support.emulator_client import SILENCE, SPEECH, playing, session, speak

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]

MEGABYTES = "x" * 8_000_000


def fault(emulator: Emulator, kind: str, **parameters: Any) -> Grant:
    grant = emulator._grants.named("default")
    emulator._grants.add(grant, read_fault(kind, parameters))
    return grant


async def test_nothing_overtakes_a_message_that_waits_for_the_client_to_read(emulator: Emulator) -> None:
    async with session(emulator, flags={"history": True}, agent={}) as client:
        (ours,) = emulator.sessions
        client.connection.transport.pause_reading()
        await client.send("InjectAgentMessage", message=MEGABYTES)
        await until(lambda: ours.transport.get_write_buffer_size() > 0)
        await client.send("UpdatePrompt", prompt="x")
        await asyncio.sleep(0.2)  # until its answer waits after it
        client.connection.transport.resume_reading()
        await client.until("PromptUpdated")
        assert client.types()[2:5] == ["ConversationText", "History", "PromptUpdated"]


async def test_nothing_overtakes_a_slow_message_whose_fault_is_cleared(emulator: Emulator) -> None:
    async with session(emulator, flags={"history": True}, agent={}) as client:
        grant = fault(emulator, "slow-messages", delay="200ms", at="ConversationText")
        await client.send("InjectAgentMessage", message="x")
        await asyncio.sleep(0.05)
        await client.send("UpdatePrompt", prompt="x")
        await asyncio.sleep(0.05)
        emulator._grants.clear(grant)
        await client.until("AgentAudioDone")
        types = [each for each in client.types()[2:] if each != "audio"]
        assert types == ["ConversationText", "PromptUpdated", "History", "AgentAudioDone"]


async def test_clearing_leaves_what_the_scenario_does(emulator: Emulator, write: Callable[[str], Path]) -> None:
    path = write('[[scenario.fault]]\nkind = "drop"\nat = "UpdatePrompt"\nhow = "fin"\n')
    async with playing(emulator, path) as client:
        emulator._grants.clear(fault(emulator, "drop", at="KeepAlive"))
        await client.send("KeepAlive")
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        await client.send("UpdatePrompt", prompt="x")
        await client.rest()
        assert client.connection.close_code == 1006


class Recorded:
    """A connection that sends nothing before its gate opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.did: list[str] = []

    async def send(self, _: str) -> None:
        self.did.append("send")
        await self.gate.wait()

    async def close_after_error(self, *_: object) -> None:
        self.did.append("close")


def timers_of(on: Recorded) -> tuple[FaultTimers, list[Fault]]:
    fired: list[Fault] = []
    return FaultTimers(cast(FaultyConnection, on), fired.append), fired


async def turns_of_the_loop(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_fault_that_has_begun_runs_to_its_end_when_it_is_cancelled() -> None:
    recorded, out_of_credit = Recorded(), read_fault("out-of-credit", {"at": "KeepAlive"})
    armed, fired = timers_of(recorded)
    armed.arm(out_of_credit)
    triggered = asyncio.ensure_future(armed.reached("KeepAlive"))
    await turns_of_the_loop(3)
    armed.cancel([out_of_credit])
    recorded.gate.set()
    await triggered
    assert (recorded.did, fired) == (["send", "close"], [out_of_credit])


@pytest.mark.parametrize("moment", [{"after": "10ms"}, {"at": "KeepAlive"}, {"at": "Settings", "after": "10ms"}])
async def test_a_fault_that_is_called_off_before_does_not_strike(moment: dict[str, str]) -> None:
    armed, fired = timers_of(Recorded())
    off = read_fault("silence", moment)
    armed.arm(off)
    await armed.reached("Settings")
    armed.cancel([off])
    await armed.reached("KeepAlive")
    await asyncio.sleep(0.05)
    assert (fired, armed.silenced) == ([], False)


async def test_a_flood_lets_others_have_their_turn_and_ends_when_it_is_called_off() -> None:
    recorded, flood = Recorded(), read_fault("flood", {"messages": 1_000_000})
    armed, _ = timers_of(recorded)
    recorded.gate.set()
    armed.arm(flood)
    await asyncio.sleep(0.05)
    armed.cancel([flood])
    await turns_of_the_loop(3)
    sent = len(recorded.did)
    await turns_of_the_loop(20)
    assert 0 < sent == len(recorded.did) < 1_000_000


async def test_nothing_passes_after_silence_however_slow_it_was(emulator: Emulator) -> None:
    fault(emulator, "slow-messages", delay="300ms", at="SettingsApplied")
    async with session(emulator) as client:
        fault(emulator, "silence", after="50ms")
        await client.connection.send('{"type": "Settings", "audio": {}, "agent": {}}')
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.connection.recv(), 0.6)
        client.connection.transport.abort()


async def test_a_slow_error_is_sent_all_the_same_with_a_close_after_it() -> None:
    async with Emulator(patience=0.2, behavior=BRIEF) as emulator, session(emulator, agent={}) as client:
        fault(emulator, "slow-messages", delay="700ms", at="Error")
        await client.connection.send("nonsense")
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"
        assert client.connection.close_code == 1005


async def test_a_slow_handshake_meets_the_faults_of_its_end(emulator: Emulator) -> None:
    fault(emulator, "slow-handshake", delay="300ms")

    async def opened() -> None:
        async with session(emulator):
            pass

    dialling = asyncio.ensure_future(opened())
    await asyncio.sleep(0.1)
    grant = fault(emulator, "refuse", status=503)
    with pytest.raises(InvalidStatus):
        await dialling
    dialling = asyncio.ensure_future(opened())
    await asyncio.sleep(0.1)
    emulator._grants.clear(grant)
    await dialling


async def test_who_speaks_while_their_words_are_slow_is_not_talked_over(
    emulator: Emulator, write: Callable[[str], Path]
) -> None:
    turn = '[[scenario.turn]]\ntext = "go"\nreply = "never"\n'
    slow = '[[scenario.fault]]\nkind = "slow-messages"\nat = "ConversationText"\ndelay = "300ms"\n'
    async with playing(emulator, write(turn + slow)) as client:
        await client.send("InjectUserMessage", content="go")
        await asyncio.sleep(0.1)
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        (said,) = [each["content"] for each in client.said() if each.get("role") == "assistant"]
        assert said.startswith("I heard")


async def test_calls_that_were_never_requested_are_not_cancelled(
    emulator: Emulator, write: Callable[[str], Path]
) -> None:
    turn = '[[scenario.turn]]\ntext = "go"\ncall = [{ name = "one" }, { name = "two" }]\n'
    slow = '[[scenario.fault]]\nkind = "slow-messages"\nat = "FunctionCallRequest"\ndelay = "300ms"\n'
    async with playing(emulator, write(turn + slow)) as client:
        await client.send("InjectUserMessage", content="go")
        await client.until("FunctionCallRequest")
        await speak(client, SPEECH)
        cancelled = await client.until("FunctionCallCancelled")
        requests = [each["functions"] for each in client.said() if each["type"] == "FunctionCallRequest"]
        requested = [call["name"] for calls in requests for call in calls]
        assert [call["name"] for call in cancelled["functions"]] == requested


async def test_an_interrupt_cancels_the_calls_of_a_scenario(emulator: Emulator, write: Callable[[str], Path]) -> None:
    asks = '[[scenario.turn]]\ntext = "go"\ncall = { name = "look_up" }\nreply = "{result}"\n'
    async with playing(emulator, write(asks + '[[scenario.turn]]\nreply = "as written"\n')) as client:
        await client.send("InjectUserMessage", content="go")
        (call,) = (await client.until("FunctionCallRequest"))["functions"]
        await client.send("InjectAgentMessage", message="Wait.", behavior="interrupt")
        assert (await client.until("FunctionCallCancelled"))["functions"] == [{"id": call["id"], "name": "look_up"}]
        await client.send("InjectUserMessage", content="else")
        await client.send("FunctionCallResponse", id=call["id"], name="look_up", content="too late")
        await client.until("AgentAudioDone")
        await client.until("AgentAudioDone")
    said = [each["content"] for each in client.said() if each.get("role") == "assistant"]
    assert said == ["Wait.", "as written"]
    assert "Warning" not in client.types()
