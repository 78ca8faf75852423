"""Reusable agents and their variables: over REST, and in the sessions that name them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.project.agents import filled_in
from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.vendor import AS_SEEN
from tests.support.emulator_api import PROJECT, ask, call, check, get, make_key
from tests.support.emulator_client import Client, session

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]

AGENTS = f"{PROJECT}/agents"
VARIABLES = f"{PROJECT}/agent-variables"
LABELS = {"team": "support"}


async def store(emulator: Emulator, config: Any, metadata: Any = LABELS) -> str:
    """The id of a new agent."""
    made = await call(emulator, "POST", AGENTS, {"config": json.dumps(config), "metadata": metadata})
    assert (made["config"], made["metadata"]) == (config, metadata)
    return str(made["agent_id"])


async def define(emulator: Emulator, key: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = await call(emulator, "POST", VARIABLES, {"key": key, "value": value})
    assert (made["key"], made["value"]) == (key, value)
    return made


async def greeting(emulator: Emulator, agent_id: str) -> str:
    """What an agent says first."""
    async with session(emulator, agent=agent_id) as client:
        return str((await client.until("ConversationText"))["content"])


async def test_an_agent_is_made_read_labelled_and_deleted(emulator: Emulator) -> None:
    agent_id = await store(emulator, {"greeting": "Hi"})
    one = await call(emulator, "GET", f"{AGENTS}/{agent_id}")
    assert (one["agent_id"], one["config"], one["metadata"]) == (agent_id, {"greeting": "Hi"}, LABELS)
    changed = await call(emulator, "PUT", f"{AGENTS}/{agent_id}", {"metadata": {"a": "b"}, "config": "{}"})
    assert (changed["config"], changed["metadata"]) == ({"greeting": "Hi"}, {"a": "b"})  # only labels change
    assert await greeting(emulator, agent_id) == "Hi"
    assert await call(emulator, "DELETE", f"{AGENTS}/{agent_id}") == {}
    assert (await ask(emulator, f"{AGENTS}/{agent_id}")).refusal() == (404, "AGENT_NOT_FOUND")
    assert await get(emulator, "/agents") == []


async def test_a_variable_is_made_read_changed_and_deleted(emulator: Emulator) -> None:
    made = await define(emulator, "DG_NAME", "Ann")
    at = f"{VARIABLES}/{made['variable_id']}"
    assert await call(emulator, "GET", at) == made
    changed = await call(emulator, "PATCH", at, {"value": {"any": ["JSON"]}})
    assert (changed["key"], changed["value"]) == ("DG_NAME", {"any": ["JSON"]})
    assert (await get(emulator, "/agent-variables"))["variables"] == [changed]
    assert await call(emulator, "DELETE", at) == {}
    assert (await ask(emulator, at)).refusal() == (404, "VARIABLE_NOT_FOUND")
    await define(emulator, "DG_NAME", "Ben")  # the name is free again


async def test_what_changes_says_when() -> None:
    clock = Clock(speed=0)
    async with Emulator(clock=clock) as emulator:
        agent_id, made = await store(emulator, {}), await define(emulator, "DG_A", 1)
        clock.advance(60)
        agent = await call(emulator, "PUT", f"{AGENTS}/{agent_id}", {"metadata": {}})
        variable = await call(emulator, "PATCH", f"{VARIABLES}/{made['variable_id']}", {"value": 2})
        for each in (agent, variable):
            assert each["created_at"] < each["updated_at"]
        assert variable["created_at"] == made["created_at"]


async def test_the_list_has_the_documented_form_where_a_switch_says_so() -> None:
    documented = Behavior(vendor=replace(AS_SEEN, agent_list="documented"))
    async with Emulator(behavior=documented) as emulator:
        agent_id = await store(emulator, {})
        listed = (await ask(emulator, AGENTS)).json
        check(listed, "ListOfAgents")
        assert [each["agent_id"] for each in listed["agents"]] == [agent_id]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"config": "{}"}, "metadata"),
        ({"config": "{}", "metadata": None}, "metadata"),
        ({"config": "{}", "metadata": {"a": 1}}, "metadata"),
        ({"config": "{}", "metadata": []}, "metadata"),
        ({"metadata": {}}, "config"),
        *(({"config": each, "metadata": {}}, "config") for each in (1, "", "[]", "{", "[" * 10_000)),
        ({"config": {}, "metadata": {}}, "config"),
    ],
)
async def test_a_bad_agent_is_400_and_its_field_is_named(emulator: Emulator, body: Any, field: str) -> None:
    reply = await ask(emulator, AGENTS, method="POST", body=json.dumps(body).encode())
    assert reply.refusal() == (400, "Bad Request")
    assert reply.json["err_msg"].startswith(f"{field} ")
    assert await get(emulator, "/agents") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"value": 1}, "key"),
        *(({"key": each, "value": 1}, "key") for each in ("NAME", "dg_name", "DG_", "DG_name", "DG_A B", "")),
        ({"key": "DG_TAKEN", "value": 1}, "key"),
        ({"key": "DG_A"}, "value"),
        ({"key": "DG_A", "value": None}, "value"),
    ],
)
async def test_a_bad_variable_is_400_and_its_field_is_named(emulator: Emulator, body: Any, field: str) -> None:
    await define(emulator, "DG_TAKEN", 1)
    reply = await ask(emulator, VARIABLES, method="POST", body=json.dumps(body).encode())
    assert reply.refusal() == (400, "Bad Request")
    assert reply.json["err_msg"].startswith(f"{field} ")


READING = [f"GET {AGENTS}", f"GET {AGENTS}/{{}}", f"GET {VARIABLES}", f"GET {VARIABLES}/{{}}"]
WRITING = [
    *(f"{method} {AGENTS}" for method in ("POST",)),
    *(f"{method} {AGENTS}/{{}}" for method in ("PUT", "DELETE")),
    f"POST {VARIABLES}",
    *(f"{method} {VARIABLES}/{{}}" for method in ("PATCH", "DELETE")),
]


@pytest.mark.parametrize("operation", [*READING, *WRITING])
@pytest.mark.parametrize("scopes", [["agent:read"], ["agent:write"], ["member"], ["usage:write"]])
async def test_reading_and_writing_need_their_scopes(emulator: Emulator, operation: str, scopes: list[str]) -> None:
    method, path = operation.split()
    key = (await make_key(emulator, scopes=scopes))["key"]
    reply = await ask(emulator, path.replace("{}", str(uuid4())), method=method, authorization=f"Token {key}")
    needed = "agent:read" if operation in READING else "agent:write"
    if scopes in ([needed], ["member"]):
        assert reply.status in (200, 400, 404)
    else:
        assert reply.refusal() == (403, "INSUFFICIENT_PERMISSIONS")
        assert f"'{needed}'" in reply.json["details"]


async def test_a_session_gets_the_variables_filled_in_as_they_are_when_it_begins(emulator: Emulator) -> None:
    made = await define(emulator, "DG_NAME", "Ann")
    await define(emulator, "DG_LISTEN", {"provider": {"type": "deepgram", "model": "nova-3"}})
    agent = {"greeting": "I am {{DG_NAME}}, ${DG_NAME}, DG_NAME; not DG_OTHER.", "listen": "DG_LISTEN"}
    agent_id = await store(emulator, agent)
    assert await greeting(emulator, agent_id) == "I am Ann, Ann, Ann; not DG_OTHER."
    await call(emulator, "PATCH", f"{VARIABLES}/{made['variable_id']}", {"value": 7})
    assert await greeting(emulator, agent_id.upper()) == "I am 7, 7, 7; not DG_OTHER."
    stored = await call(emulator, "GET", f"{AGENTS}/{agent_id}")
    assert stored["config"] == agent  # variables stay in it


async def test_a_stored_agent_is_checked_when_a_session_names_it(emulator: Emulator) -> None:
    agent_id = await store(emulator, {"greting": "Hi"})
    async with session(emulator) as client:
        await client.send("Settings", audio={}, agent=agent_id)
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"


async def test_a_deleted_agent_is_unknown(emulator: Emulator) -> None:
    agent_id = await store(emulator, {})
    await call(emulator, "DELETE", f"{AGENTS}/{agent_id}")
    async with session(emulator) as client:
        assert await _refused(client, agent_id) == "INTERNAL_SERVER_ERROR"


async def _refused(client: Client, agent_id: str) -> str:
    await client.send("Settings", audio={}, agent=agent_id)
    return await client.failure()


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("DG_A", [1]),
        ("{{ DG_A }}", [1]),
        ("${DG_A}", [1]),
        ("x DG_A", "x [1]"),
        ("DG_AB xDG_A DG_A_", "DG_AB xDG_A DG_A_"),
        ("{{DG_B}} ${DG_B} DG_B", "{{DG_B}} ${DG_B} DG_B"),
        ({"DG_A": ["DG_A", 1, None]}, {"DG_A": [[1], 1, None]}),
    ],
)
async def test_variables_are_filled_in_wherever_they_are_written(template: Any, filled: Any) -> None:
    assert filled_in(template, {"DG_A": [1]}) == filled


@given(st.recursive(st.none() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)))
async def test_without_variables_everything_stays_as_it_is(template: Any) -> None:
    assert filled_in(template, {}) == template
