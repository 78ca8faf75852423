"""Both sides of every switch, for all sessions of an emulator and for those of one scenario."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.vendor import SWITCHES
from tests.emulator.conftest import BRIEF, behaving
from tests.support.emulator_api import PROJECT, ask, rows
from tests.support.emulator_client import ORDER, SILENCE, SPEECH, Client, asked, playing, speak, thinking

OPEN_AI = {"type": "open_ai", "model": "gpt-4o-mini"}
FLUX = {"listen": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}}}
AGENT_ID = "7b1c2f5e-0000-4000-8000-000000000001"


@dataclass
class Seen:
    """A client of an emulator, before its Settings; ``clock`` is the emulator's, which stands still."""

    emulator: Emulator
    client: Client
    clock: Clock

    def types(self) -> list[str]:
        return self.client.types()


async def interrupted(seen: Seen) -> list[Any]:
    """What comes between UserStartedSpeaking and the user's text."""
    client = seen.client
    await client.start(agent={})
    await client.send("InjectUserMessage", content="x" * 90 + ". Later.")
    while client.types()[-1] != "audio":
        await client.next()
    await speak(client, SPEECH + SILENCE)
    await client.until("UserStartedSpeaking")
    at = len(client.seen)
    while client.types()[-1] != "ConversationText" or client.seen[-1]["role"] != "user":
        await client.next()
    return client.seen[at:-1]


async def done_after_an_interruption(seen: Seen) -> bool:
    return any(not isinstance(each, bytes) and each["type"] == "AgentAudioDone" for each in await interrupted(seen))


async def frames_after_an_interruption(seen: Seen) -> int:
    return sum(isinstance(each, bytes) for each in await interrupted(seen))


async def sentence_after_an_interruption(seen: Seen) -> bool:
    return any(not isinstance(each, bytes) and each.get("content") == "Later." for each in await interrupted(seen))


async def called(seen: Seen) -> None:
    """A function is called and answered."""
    await seen.client.start(agent=thinking(ORDER))
    function = await asked(seen.client)
    await seen.client.send("FunctionCallResponse", id=function["id"], name=function["name"], content="x")
    await seen.client.until("AgentAudioDone")


async def thinks_aloud(seen: Seen) -> bool:
    await called(seen)
    return "AgentThinking" in seen.types()


async def says_that_it_speaks(seen: Seen) -> bool:
    await called(seen)
    return "AgentStartedSpeaking" in seen.types()


async def echoes(seen: Seen) -> bool:
    await called(seen)
    return "FunctionCallResponse" in seen.types()


async def cancels(seen: Seen) -> bool:
    await seen.client.start(agent=thinking(ORDER))
    await asked(seen.client)
    await speak(seen.client, SPEECH + SILENCE)
    await seen.client.until("AgentAudioDone")
    return "FunctionCallCancelled" in seen.types()


async def audio_first(seen: Seen) -> bool:
    await seen.client.start(agent={"greeting": "Hi"})
    await seen.client.until("AgentAudioDone")
    return seen.types()[2] == "audio"


async def flux_turn(seen: Seen) -> list[dict[str, Any]]:
    await seen.client.start(agent=FLUX)
    await speak(seen.client, SPEECH + SILENCE)
    await seen.client.until("AgentAudioDone")
    await seen.client.send("UpdatePrompt", prompt="x")
    await seen.client.until("PromptUpdated")
    return [each for each in seen.client.said() if each["type"] in ("EndOfTurn", "LatencyReport")]


async def ends_turns_aloud(seen: Seen) -> bool:
    return {"type": "EndOfTurn", "trigger": "model"} in await flux_turn(seen)


async def streams(seen: Seen) -> bool:
    return any(each.keys() == {"type", "stt_latency"} for each in await flux_turn(seen))


async def reports(seen: Seen) -> str:
    totals = [each for each in await flux_turn(seen) if "total_latency" in each]
    if not totals:
        return "none"
    return "whole" if len(totals[0]) > 2 else "partial"


async def fails_to_think(seen: Seen) -> str:
    await seen.client.start(agent={})
    await seen.client.send("InjectUserMessage", content="fail")
    await seen.client.until("Error")
    try:
        await seen.client.send("InjectUserMessage", content="again")
        await seen.client.until("AgentAudioDone")
    except ConnectionClosed:
        return "ends-session"
    return "ends-turn"


async def refuses(seen: Seen, agent: Any) -> str:
    """The code of the Error that these Settings get; empty if they get none."""
    await seen.client.send("Settings", audio={}, agent=agent)
    message = await seen.client.next()
    return str(message["code"]) if message["type"] == "Error" else ""


async def unknown_agent(seen: Seen) -> str:
    return await refuses(seen, AGENT_ID)


async def unknown_field(seen: Seen) -> str:
    return "refuse" if await refuses(seen, {"mip_opt_out": True}) else "accept"


async def model(seen: Seen) -> str:
    return "listed" if await refuses(seen, {"think": {"provider": {**OPEN_AI, "model": "mine"}}}) else "any"


async def merges(seen: Seen) -> bool:
    await seen.client.start(agent={})
    for _ in range(2):
        await seen.client.send("UpdateListen", listen={"provider": {"type": "deepgram"}})
    await asyncio.sleep(0.1)  # until an answer that is delayed has come
    await seen.client.send("UpdatePrompt", prompt="x")
    await seen.client.until("PromptUpdated")
    return seen.types().count("ListenUpdated") == 1


async def close_code(seen: Seen) -> str:
    await seen.client.connection.send("nonsense")
    await seen.client.failure()
    return {1005: "empty", 1008: "code"}[seen.client.connection.close_code or 0]


async def ends_turn_by(seen: Seen) -> str:
    await seen.client.start(agent={})
    await speak(seen.client, SPEECH)
    await seen.client.until("UserStartedSpeaking")
    await asyncio.sleep(0.8)  # longer than the silence that ends a turn
    await seen.client.send("UpdatePrompt", prompt="x")
    await seen.client.until("PromptUpdated")
    return "timer" if "ConversationText" in seen.types() else "audio"


async def booked(seen: Seen, seconds: float) -> dict[str, Any]:
    """The details of the row of this session, which ends this much later."""
    seen.clock.advance(seconds)
    await seen.client.connection.close()
    (row,) = await rows(seen.emulator)
    details: dict[str, Any] = row["response"]["details"]
    return details


async def has_duration(seen: Seen) -> bool:
    return "duration" in await booked(seen, 1.25)


async def whole_seconds(seen: Seen) -> bool:
    return (await booked(seen, 1.25)).get("duration") == 1


async def price_of_a_change(seen: Seen) -> str:
    """Ten seconds of Standard, twenty of Advanced, thirty of a custom model."""
    await seen.client.start(agent={})
    for seconds, think in ((10, {**OPEN_AI, "model": "gpt-4o"}), (20, OPEN_AI)):
        seen.clock.advance(seconds)
        own = {"endpoint": {"url": "https://llm.example"}} if think is OPEN_AI else {}
        await seen.client.send("UpdateThink", think={"provider": think, **own})
        await seen.client.until("ThinkUpdated")
    usd = round((await booked(seen, 30))["usd"], 6)
    prices = {"from-then-on": (10 * 0.075 + 20 * 0.163 + 30 * 0.065) / 60, "first": 0.075, "highest": 0.163}
    return next(name for name, price in prices.items() if usd == round(price, 6))


async def list_of_agents(seen: Seen) -> str:
    listed = (await ask(seen.emulator, f"{PROJECT}/agents")).json
    return "bare" if listed == [] else "documented"


Probe = Callable[[Seen], Awaitable[Any]]
PROBES: dict[str, tuple[Probe, tuple[Any, ...]]] = {
    "audio_done_at_interruption": (done_after_an_interruption, (True, False)),
    "late_frames": (frames_after_an_interruption, (0, 2)),
    "late_sentence": (sentence_after_an_interruption, (False, True)),
    "agent_thinking": (thinks_aloud, (False, True)),
    "agent_started_speaking": (says_that_it_speaks, (False, True)),
    "function_response_echo": (echoes, (True, False)),
    "function_call_cancelled": (cancels, (True, False)),
    "audio_before_text": (audio_first, (False, True)),
    "end_of_turn": (ends_turns_aloud, (True, False)),
    "stt_latency_stream": (streams, (True, False)),
    "latency_reports": (reports, ("partial", "whole", "none")),
    "failed_to_think": (fails_to_think, ("ends-session", "ends-turn")),
    "unknown_agent": (unknown_agent, ("INTERNAL_SERVER_ERROR", "INVALID_AGENT_ID")),
    "merged_listen_updates": (merges, (True, False)),
    "close_after_error": (close_code, ("empty", "code")),
    "turn_end": (ends_turn_by, ("audio", "timer")),
    "unknown_fields": (unknown_field, ("refuse", "accept")),
    "think_models": (model, ("any", "listed")),
    "row_duration": (has_duration, (False, True)),
    "whole_seconds": (whole_seconds, (False, True)),
    "agent_list": (list_of_agents, ("bare", "documented")),
    "tier_change": (price_of_a_change, ("from-then-on", "first", "highest")),
}
NEEDS = {"whole_seconds": {"row_duration": True}}  # what shows a switch
OF_THE_EMULATOR = {"agent_list"}  # of the management API, and of no session
TURN = '[[scenario.turn]]\ntext = "fail"\nerror = { code = "FAILED_TO_THINK" }\n'
CASES = [(name, value) for name, (_, values) in PROBES.items() for value in values]


def test_every_switch_has_a_probe_and_both_its_sides() -> None:
    assert PROBES.keys() == SWITCHES.keys()
    assert all(len(values) > 1 and values[0] == getattr(BRIEF.vendor, name) for name, (_, values) in PROBES.items())


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "value"), CASES)
async def test_a_switch_of_the_emulator_is_that_of_every_session(
    name: str, value: Any, write: Callable[[str], Path]
) -> None:
    assert await probed(name, write(TURN), behaving(**{name: value, **NEEDS.get(name, {})})) == value


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "value"), [case for case in CASES if case[0] not in OF_THE_EMULATOR])
async def test_a_switch_of_a_scenario_is_that_of_its_sessions(
    name: str, value: Any, write: Callable[[str], Path]
) -> None:
    switches = {name: value, **NEEDS.get(name, {})}
    written = ", ".join(f"{key} = {json.dumps(each)}" for key, each in switches.items())
    others = {key: PROBES[key][1][1] for key in switches}  # what the emulator does otherwise
    assert await probed(name, write(f"vendor = {{ {written} }}\n{TURN}"), behaving(**others)) == value


async def probed(name: str, scenario: Path, behavior: Any) -> Any:
    clock = Clock(speed=0)
    async with (
        Emulator(behavior=behavior, clock=clock, settlement_lag=0) as emulator,
        playing(emulator, scenario, start=False) as client,
    ):
        return await PROBES[name][0](Seen(emulator, client, clock))


@pytest.mark.asyncio
@pytest.mark.parametrize(("vendor", "echo"), [("2025", False), ("2026", True)])
async def test_a_scenario_may_name_a_set_whatever_the_emulator_does(
    vendor: str, echo: bool, write: Callable[[str], Path]
) -> None:
    path = write(f'vendor = "{vendor}"\n{TURN}')
    behavior = behaving(function_response_echo=not echo)
    assert await probed("function_response_echo", path, behavior) == echo


@pytest.mark.asyncio
async def test_a_table_of_a_scenario_keeps_what_it_does_not_name(write: Callable[[str], Path]) -> None:
    path = write(f"vendor = {{ late_frames = 1 }}\n{TURN}")
    assert await probed("late_sentence", path, behaving(late_sentence=True)) is True


@pytest.mark.asyncio
async def test_a_scenario_changes_no_other_sessions(write: Callable[[str], Path], tmp_path: Path) -> None:
    other = write(TURN).rename(tmp_path / "other.toml")
    async with Emulator(behavior=BRIEF) as emulator:
        for path, reported in ((write('vendor = "2025"\n' + TURN), False), (other, True)):
            async with playing(emulator, path) as client:
                await client.send("InjectUserMessage", content="x")
                await client.until("AgentAudioDone")
                assert ("LatencyReport" in client.types()) == reported
