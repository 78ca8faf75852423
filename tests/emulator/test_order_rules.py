"""Deepgram's order rules and error codes (vendor's pages "Message Flow" and "Errors & Warnings")."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pytest_dgbudget.emulator.server import MAX_MESSAGE, Emulator
from tests.support.emulator_client import Client, session

pytestmark = pytest.mark.asyncio

OPEN_AI = {"type": "open_ai", "model": "gpt-4o-mini"}


async def test_welcome_comes_at_once_and_settings_are_applied(emulator: Emulator) -> None:
    async with session(emulator) as client:
        await client.start()
        assert client.types() == ["Welcome", "SettingsApplied"]


@pytest.mark.parametrize(
    "first", ['{"type": "KeepAlive"}', '{"type": "InjectUserMessage", "content": "hi"}', b"\0" * 640]
)
async def test_settings_come_first(emulator: Emulator, first: str | bytes) -> None:
    async with session(emulator) as client:
        await client.connection.send(first)
        assert await client.failure() == "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"


async def test_settings_come_once(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.send("Settings", agent={})
        assert await client.failure() == "SETTINGS_ALREADY_APPLIED"


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '"Settings"', "{}", '{"type": 1}', '{"type": "Close"}', "[" * 100_000, "9" * 10_000,
        '{"type": "InjectUserMessage", "content": NaN}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("settings", [{}, {"agent": {}}])
async def test_unparsable(emulator: Emulator, text: str, settings: dict[str, Any]) -> None:
    async with session(emulator, **settings) as client:
        await client.connection.send(text)
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"
        assert (client.connection.close_code, client.connection.close_reason) == (1005, "")
        assert client.seen[-1]["description"] == (
            "Text message received from client did not match any of the formats we expect."
        )


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("InjectUserMessage", {}),
        ("InjectUserMessage", {"content": 1}),
        ("InjectAgentMessage", {}),
        ("InjectAgentMessage", {"message": "x", "behavior": "shout"}),
        ("InjectAgentMessage", {"message": "x", "behavior": ["queue"]}),
        ("UpdatePrompt", {"prompt": None}),
        ("UpdateThink", {}),
        ("UpdateSpeak", {}),
        ("UpdateListen", {}),
        ("FunctionCallResponse", {"name": "x"}),
    ],
)
async def test_message_without_what_it_needs_is_unparsable(emulator: Emulator, kind: str, fields: Any) -> None:
    async with session(emulator, agent={}) as client:
        await client.send(kind, **fields)
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"


@pytest.mark.parametrize(
    ("kind", "fields", "answer"),
    [
        ("UpdatePrompt", {"prompt": "Be brief."}, "PromptUpdated"),
        ("UpdateThink", {"think": {"provider": OPEN_AI}}, "ThinkUpdated"),
        ("UpdateThink", {"think": [{"provider": OPEN_AI}]}, "ThinkUpdated"),
        ("UpdateSpeak", {"speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}}, "SpeakUpdated"),
        ("UpdateListen", {"listen": {"provider": {"type": "deepgram"}}}, "ListenUpdated"),
    ],
)
async def test_updates_are_acknowledged(emulator: Emulator, kind: str, fields: Any, answer: str) -> None:
    async with session(emulator, agent={}) as client:
        await client.send(kind, **fields)
        assert await client.next() == {"type": answer}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("UpdateThink", {"think": []}), ("UpdateSpeak", {"speak": 1}), ("UpdateListen", {"listen": {"provider": "x"}})],
)
async def test_update_of_the_wrong_form_is_unparsable(emulator: Emulator, kind: str, fields: Any) -> None:
    async with session(emulator, agent={}) as client:
        await client.send(kind, **fields)
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ("UpdateThink", {"think": {"provider": OPEN_AI, "greeting": "x"}}),
        ("UpdateSpeak", {"speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en", "voice": "x"}}}),
        ("UpdateListen", {"listen": {"provider": {"type": "deepgram", "endpointing": 300}}}),
    ],
)
async def test_update_with_an_unknown_field_is_unparsable(emulator: Emulator, kind: str, block: Any) -> None:
    async with session(emulator, agent={}) as client:
        await client.send(kind, **block)
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"
        assert client.seen[-1]["description"].startswith("Error parsing client message. Check the ")


@pytest.mark.parametrize("version", [{"eot_threshold": 0.4}, {"eot_timeout_ms": 0}])
async def test_update_with_an_impossible_value_is_invalid(emulator: Emulator, version: Any) -> None:
    flux = {"type": "deepgram", "version": "v2", "model": "flux-general-en", **version}
    async with session(emulator, agent={}) as client:
        await client.send("UpdateListen", listen={"provider": flux})
        assert await client.failure() == "INVALID_SETTINGS"


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("ForceEndTurn", {}, "FORCE_END_TURN_UNSUPPORTED"),
        ("UpdateThink_Live", {"think_live": {}}, "NOT_EMULATED"),
        ("__customToThinkProvider", {"content": 1}, "NOT_EMULATED"),
    ],
)
async def test_what_is_not_emulated_says_so_and_goes_on(emulator: Emulator, kind: str, fields: Any, code: str) -> None:
    async with session(emulator, agent={}) as client:
        await client.send(kind, **fields)
        assert (await client.until("Warning"))["code"] == code
        await answers(client)


async def test_long_prompt_is_warned_of(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.send("UpdatePrompt", prompt="x" * 25_001)
        assert await client.next() == {"type": "PromptUpdated"}
        assert (await client.next())["code"] == "PROMPT_TOO_LONG"


async def test_long_prompt_is_accepted_with_a_custom_endpoint(emulator: Emulator) -> None:
    think = {"provider": OPEN_AI, "endpoint": {"url": "https://models.example"}}
    async with session(emulator, agent={}) as client:
        await client.send("UpdateThink", think=think)
        await client.send("UpdatePrompt", prompt="x" * 25_001)
        await client.until("PromptUpdated")
        await answers(client)
        assert "Warning" not in client.types()


async def test_keep_alive_has_no_reply(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.send("KeepAlive")
        await answers(client)
        assert client.types()[:3] == ["Welcome", "SettingsApplied", "PromptUpdated"]


async def test_invalid_utf8_ends_the_session_only(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client, session(emulator, agent={}) as other:
        await client.connection.send(b'{"type": "KeepAlive\xff"}', text=True)
        assert await client.rest() == []
        assert client.connection.close_code == 1007
        await answers(other)


async def test_huge_messages(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client, session(emulator, agent={}) as other:
        await client.send("UpdatePrompt", prompt="x" * 5_000_000)
        await client.until("Warning")
        announced = b"\x82\xff" + struct.pack(">Q", MAX_MESSAGE + 1) + b"mask"
        client.connection.transport.write(announced)
        assert await client.rest() == []
        assert client.connection.close_code == 1009
        await answers(other)


async def answers(client: Client) -> None:
    await client.send("UpdatePrompt", prompt="still there?")
    await client.until("PromptUpdated")
