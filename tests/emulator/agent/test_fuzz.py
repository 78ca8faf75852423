"""Whatever a client sends, it gets the protocol's answers and never a bug of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.emulator.agent.conversation import _HANDLERS, Conversation
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.project.agents import AgentLookup, Agents
from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.session_clock import PACES, Pace, SessionClock
from pytest_dgbudget.emulator.vendor import SETS
from pytest_dgbudget.rules.audio import AudioFormat
from tests.emulator.conftest import BRIEF, behaving
from tests.support.emulator_client import SETTINGS

NAMES = st.sampled_from(
    re.findall(
        r"\w+",
        "type agent audio tags flags history input output encoding sample_rate container listen think speak provider "
        "functions name parameters endpoint prompt greeting content message behavior id is_dynamic version "
        "url method headers eot_threshold eot_timeout_ms language_hints context "
        "messages think_live experimental model",
    )
)
WORDS = st.sampled_from(
    [
        "deepgram",
        "open_ai",
        "http://127.0.0.1:1/",
        "linear16",
        "mulaw",
        "alaw",
        "wav",
        "queue",
        "interrupt",
        "v2",
        "f",
        "say f",
        "",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 50_000) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.builds(
    lambda kind, fields: json.dumps({**fields, "type": kind}),
    st.sampled_from(sorted(_HANDLERS)),
    st.dictionaries(NAMES, VALUES, max_size=6),
)
SPEECH = b"".join(voice.frames(AudioFormat("linear16", 16000), 600))
MESSAGES = OBJECTS | st.text(max_size=20) | st.binary(max_size=2000) | st.just(SPEECH)


def in_a_loop_of_its_own(work: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    """Not asyncio.run: it drops the thread's current loop, which an old pytest-asyncio has left open."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(work)


class Bill:
    """Of a session that costs nothing."""

    def configure(self, tags: Any, agent: Any) -> None:
        pass

    def change(self, name: str, block: Any) -> None:
        pass


async def converse(messages: list[str | bytes], pace: Pace, behavior: Behavior) -> list[Any]:
    sent: list[Any] = []

    async def send(message: str | bytes) -> None:
        sent.append(message if isinstance(message, bytes) else json.loads(message))
        await asyncio.sleep(0)

    conversation = Conversation(
        send,
        request_id="x",
        bill=Bill(),
        behavior=behavior,
        clock=SessionClock(pace),
        agents=AgentLookup(Agents(Clock(), {}, {}), {}, {}),
        script=None,
        think_delay=lambda: 0.0,
    )
    speaking = asyncio.ensure_future(conversation.speak())
    with contextlib.suppress(ProtocolError):
        for message in messages:
            await conversation.receive(message)
            await asyncio.sleep(0)
    conversation.end()
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)
    assert speaking.cancelled()  # not failed
    return sent


BEHAVIORS = [
    *(replace(BRIEF, vendor=vendor) for vendor in SETS.values()),
    behaving(unknown_fields="accept", think_models="listed", merged_listen_updates=False, turn_end="timer"),
]


@given(st.booleans(), st.lists(MESSAGES, max_size=8), st.sampled_from(PACES), st.sampled_from(BEHAVIORS))
def test_any_message_is_answered_or_refused(
    started: bool, messages: list[str | bytes], pace: Pace, behavior: Behavior
) -> None:
    first: list[str | bytes] = [json.dumps(SETTINGS)] if started else []
    for message in in_a_loop_of_its_own(converse(first + messages, pace, behavior)):
        assert isinstance(message, bytes) or isinstance(message["type"], str)
