"""Fields that an agent must not have: which one is named, and where it belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS
from pytest_dgbudget.emulator.agent.agent_fields import IllTypedField, UnknownField, wrong_in_agent, wrong_in_block
from tests.support.vendor_messages import VENDOR

SCHEMAS = VENDOR["schemas"]
LISTEN = {"type": "deepgram", "model": "nova-3"}
FLUX = {"type": "deepgram", "version": "v2", "model": "flux-general-en"}
THINK = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
VOICE = {"type": "deepgram", "model": "aura-2-thalia-en"}


def unknown_in_agent(agent: Mapping[str, Any]) -> UnknownField | None:
    return next((each for each in wrong_in_agent(agent) if isinstance(each, UnknownField)), None)


def ill_typed(agent: Mapping[str, Any]) -> list[str]:
    """The paths of the fields of a wrong type."""
    return [each.path for each in wrong_in_agent(agent) if isinstance(each, IllTypedField)]


def listening(**fields: Any) -> dict[str, Any]:
    return {"listen": {"provider": {**LISTEN, **fields}}}


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def examples(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Values with all the fields of a form of the AsyncAPI file, one for each choice in it."""
    schema = resolved(schema)
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from examples(choice)
    if "items" in schema:
        yield from ([each] for each in examples(schema["items"]))
    elif "properties" in schema:
        whole = {name: next(examples(each), None) for name, each in schema["properties"].items()}
        yield whole
        for name, each in schema["properties"].items():
            yield from ({**whole, name: value} for value in examples(each))
    elif "const" in schema or "enum" in schema:
        yield schema["const"] if "const" in schema else schema["enum"][0]


AGENTS = [
    each for each in examples(SCHEMAS[VENDOR["client"]["Settings"]]["properties"]["agent"]) if isinstance(each, dict)
]


@pytest.mark.parametrize("agent", [*AGENTS, DEFAULT_SETTINGS["agent"], {}], ids=range(len(AGENTS) + 2))
def test_every_field_of_the_vendors_file_is_known(agent: Any) -> None:
    assert list(wrong_in_agent(agent)) == []


def test_the_vendors_file_has_all_kinds_of_providers() -> None:
    kinds = {"open_ai", "aws_bedrock", "anthropic", "google", "groq", "deepgram", "eleven_labs", "cartesia"}
    assert all(f"'type': '{kind}'" in str(AGENTS) for kind in kinds)


@pytest.mark.parametrize(
    "think",
    [
        {"provider": {"type": "nvidia", "model": "m", "reasoning_mode": "low"}},
        {"provider": {"type": "deepgram", "model": "think-fast", "voice_prompt_opt_out": True}},
        {**THINK, "functions": [{"name": "f", "defer_until_eot": True, "initial_agent_filler": False}]},
        {**THINK, "functions": [{"name": "f", "agent_filler_max_count": 1, "agent_filler_interval_ms": 500}]},
        {**THINK, "functions": [{"name": "f", "parameters": {"anything": {"goes": 1}}}]},
    ],
)
def test_what_only_the_sdk_has_is_known_too(think: Any) -> None:
    assert list(wrong_in_agent({"think": [THINK, think], "think_live": {"anything": 1}})) == []


@pytest.mark.parametrize(
    ("agent", "path", "hint"),
    [
        ({"mip_opt_out": True}, "agent.mip_opt_out", "it belongs to the root of Settings"),
        ({"tags": ["a"]}, "agent.tags", "it belongs to the root of Settings"),
        ({"prompt": "x"}, "agent.prompt", "it belongs to agent.think"),
        ({"functions": []}, "agent.functions", "it belongs to agent.think"),
        ({"messages": []}, "agent.messages", "it belongs to agent.context"),
        ({"greting": "Hi"}, "agent.greting", "no such field; did you mean greeting?"),
        ({"xyz": 1}, "agent.xyz", "no such field; there are: language, context, listen, think, think_live, speak, "),
        ({"think": {**THINK, "greeting": "Hi"}}, "agent.think.greeting", "it belongs to agent"),
        ({"think": {**THINK, "model": "gpt-4o"}}, "agent.think.model", "it belongs to agent.think.provider"),
        ({"think": {**THINK, "instructions": "x"}}, "agent.think.instructions", "it is called prompt"),
        ({"think": [THINK, {**THINK, "speed": 1}]}, "agent.think[1].speed", "no such field; there are: provider, "),
        (
            {"think": {**THINK, "functions": [{"name": "f", "client_side": True}]}},
            "agent.think.functions[0].client_side",
            "leave it out: a function without an endpoint is the client's",
        ),
        (
            {"think": {**THINK, "functions": [{"name": "f", "endpoint": {"uri": "x"}}]}},
            "agent.think.functions[0].endpoint.uri",
            "no such field; did you mean url?",
        ),
        (listening(endpointing=300), "agent.listen.provider.endpointing", "it belongs to speech-to-text requests"),
        (listening(utterance_end_ms=1), "agent.listen.provider.utterance_end_ms", "it belongs to speech-to-text"),
        (listening(eot_threshold=0.7), "agent.listen.provider.eot_threshold", "no such field; there are: type, "),
        ({"listen": {"model": "nova-3"}}, "agent.listen.model", "it belongs to agent.listen.provider"),
        ({"listen": {"provider": {**FLUX, "language": "en"}}}, "agent.listen.provider.language", "it belongs to agent"),
        ({"speak": {"model": "aura"}}, "agent.speak.model", "it belongs to agent.speak.provider"),
        ({"speak": {"voice": "x"}}, "agent.speak.voice", "it belongs to agent.speak.provider"),
        ({"speak": {"provider": {**VOICE, "voice": "x"}}}, "agent.speak.provider.voice", "no such field; there are"),
        ({"speak": [{"provider": VOICE}, {"url": "x"}]}, "agent.speak[1].url", "no such field; there are"),
        ({"context": {"messages": [{"rolle": "user"}]}}, "agent.context.messages[0].rolle", "did you mean role?"),
    ],
)
def test_the_first_unknown_field_is_named_with_where_it_belongs(agent: Any, path: str, hint: str) -> None:
    unknown = unknown_in_agent(agent)
    assert unknown is not None
    assert unknown.path == path
    assert hint in unknown.reason


@pytest.mark.parametrize("agent", [{"x" * 30_000_000: 1}, {"think": {"provider": {}, "y" * 101: 1}}])
def test_of_a_long_name_its_first_100_characters_are_named(agent: Any) -> None:
    unknown = unknown_in_agent(agent)
    assert unknown is not None
    assert unknown.path in (f"agent.{'x' * 100}", f"agent.think.{'y' * 100}")
    assert len(unknown.reason) < 200


def test_flux_without_its_version_may_have_the_fields_of_both_versions() -> None:
    flux = {"type": "deepgram", "model": "flux-general-en"}
    assert unknown_in_agent({"listen": {"provider": {**flux, "eot_threshold": 0.8, "language": "en"}}}) is None
    unknown = unknown_in_agent({"listen": {"provider": {**flux, "endpointing": 300}}})
    assert unknown is not None


WRONG: dict[str, tuple[Any, ...]] = {
    "string": (5, True, 0.5, ["x"], {"x": 1}),
    "number": ("x", True, ["x"], {"x": 1}),
    "integer": ("x", True, 1.5, {"x": 1}),
    "boolean": ("x", 0, 1.0, ["x"], {"x": 1}),
    "object": ("x", 1, True),
    "array": ("x", 1, True, {"x": 1}),
}


def kinds(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a form of the AsyncAPI file may have."""
    schema = resolved(schema)
    found = {schema["type"]} if "type" in schema else set()
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found |= kinds(choice)
    return found


def alike(one: Any, other: Any) -> bool:
    """Whether both are objects with the same fields, or lists."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys()
    return isinstance(one, list) and isinstance(other, list)


def spoiled(schema: Mapping[str, Any], whole: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Copies of an example of this form, each with one field of a wrong type, and that field's path."""
    schema = resolved(schema)
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        if any(alike(each, whole) for each in examples(choice)):
            yield from spoiled(choice, whole, path)
    if isinstance(whole, list):
        for where, each in spoiled(schema.get("items", {}), whole[0], f"{path}[0]"):
            yield where, [each]
    elif isinstance(whole, dict):
        for name in schema.get("properties", {}).keys() - {"type"}:  # a provider's type is checked elsewhere
            yield from ((where, {**whole, name: each}) for where, each in spoiled_field(schema, whole, name, path))


def spoiled_field(schema: Mapping[str, Any], whole: Any, name: str, path: str) -> Iterator[tuple[str, Any]]:
    """Values for one field of an example, one of them wrong, and the path of what is."""
    form, where = schema["properties"][name], f"{path}.{name}"
    types = kinds(form)
    if len(types) == 1:
        yield from ((where, wrong) for wrong in WRONG[types.pop()])
    if whole.get(name) is not None and name != "function_calls":
        yield from spoiled(form, whole[name], where)


ELSEWHERE = re.compile(r"agent\.(listen|context|.*\.provider|listen\.provider\.version)")  # what is checked elsewhere


def test_every_field_of_the_vendors_file_has_its_type() -> None:
    form, missed, seen = SCHEMAS[VENDOR["client"]["Settings"]]["properties"]["agent"], set(), set()
    for agent in AGENTS:
        for path, spoilt in spoiled(form, agent, "agent"):
            seen.add(path)
            if ill_typed(spoilt) != [path] and not ELSEWHERE.fullmatch(path):
                missed.add(path)
    assert missed == set()
    assert {"agent.language", "agent.think.provider.temperature", "agent.speak[0].provider.speed"} <= seen
    assert {"agent.listen.provider.smart_format", "agent.context.messages[0].content"} <= seen


@pytest.mark.parametrize(
    ("think", "path"),
    [
        ({**THINK, "context_length": True}, "agent.think.context_length"),
        ({**THINK, "context_length": "most"}, "agent.think.context_length"),
        ({**THINK, "endpoint": {"url": "x", "headers": {"a": 1}}}, "agent.think.endpoint.headers"),
        (
            {**THINK, "functions": [{"name": "f", "agent_filler_max_count": 0.5}]},
            "agent.think.functions[0].agent_filler",
        ),
        ({**THINK, "functions": [None]}, "agent.think.functions[0]"),
        ([THINK, {**THINK, "prompt": 1}], "agent.think[1].prompt"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(think: Any, path: str) -> None:
    (named,) = ill_typed({"think": think})
    assert named.startswith(path)


@pytest.mark.parametrize("context_length", ["max", 5000, 0.5, None])
def test_a_context_length_is_max_or_a_number(context_length: Any) -> None:
    assert ill_typed({"think": {**THINK, "context_length": context_length}}) == []


@pytest.mark.parametrize(
    ("block", "provider"),
    [
        ("listen", {"type": "deepgram", "version": "v3", "x": [{"b": 1}], "y": {"z": [{}]}}),
        ("listen", {"type": "deepgram", "version": ["v1"], "x": {"b": 1}}),
        ("think", {"type": "openai", "x": [{"b": 1}]}),
        ("speak", {"type": ["deepgram"], "x": {"b": 1}}),
        ("speak", "deepgram"),
        ("speak", None),
    ],
)
def test_fields_of_a_provider_that_there_is_not_are_no_concern(block: str, provider: Any) -> None:
    """What is wrong with it is said by another check."""
    assert not [
        each for each in wrong_in_block(block, {"provider": provider}, block) if each.path != f"{block}.provider"
    ]
