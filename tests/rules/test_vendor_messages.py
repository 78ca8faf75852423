"""Whatever a server sends becomes a message or a ValueError, never another error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.emulator.codes import SERVER
from pytest_dgbudget.rules.vendor_messages import (
    SERVER_TYPES,
    ConversationText,
    ErrorMessage,
    FunctionCall,
    FunctionCallRequest,
    InjectionRefused,
    Message,
    WarningMessage,
    Welcome,
    parse,
    total_latency_ms,
)

from .strategies import VALUES, json_texts

TYPED = ["Welcome", "ConversationText", "FunctionCallRequest", "InjectionRefused", "Error", "Warning"]
FIELDS = ["request_id", "role", "content", "functions", "message", "code", "description"]
CALL = {"id": "1", "name": "lookup", "arguments": "{}", "client_side": True}


def parse_plain(data: dict[str, Any]) -> Message:
    return parse(json.dumps(data))


@given(st.text() | st.binary() | json_texts() | json_texts().map(str.encode))
def test_anything_is_a_message_or_a_value_error(text: str | bytes) -> None:
    try:
        message = parse(text)
    except ValueError:
        return
    assert isinstance(message.type, str)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "null", "5", "{}", '{"type": 5}', '{"type": null}', "[" * 100_000, b"\xff\xfe", b"\x00{"],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_object_with_a_type_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


@given(st.text().filter(lambda kind: kind not in TYPED), st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
def test_an_unknown_type_comes_as_it_is(kind: str, fields: dict[str, Any]) -> None:
    data = {**fields, "type": kind}
    assert parse_plain(data) == Message(type=kind, data=data)


@given(st.sampled_from(TYPED), st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_a_known_type_comes_typed_only_with_the_types_it_is_documented_to_have(
    kind: str, fields: dict[str, Any]
) -> None:
    data = {**fields, "type": kind}
    message = parse_plain(data)
    assert (message.type, message.data) == (kind, data)
    for name in FIELDS[:3] + FIELDS[4:]:
        assert isinstance(getattr(message, name, ""), str)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"type": "Welcome", "request_id": "r"}, Welcome(type="Welcome", data={}, request_id="r")),
        (
            {"type": "ConversationText", "role": "user", "content": "hi", "extra": 1},
            ConversationText(type="ConversationText", data={}, role="user", content="hi"),
        ),
        (
            {"type": "InjectionRefused", "message": "busy"},
            InjectionRefused(type="InjectionRefused", data={}, message="busy"),
        ),
        (
            {"type": "Error", "code": "C", "description": "d"},
            ErrorMessage(type="Error", data={}, code="C", description="d"),
        ),
        (
            {"type": "Warning", "code": "C", "description": "d"},
            WarningMessage(type="Warning", data={}, code="C", description="d"),
        ),
        (
            {"type": "FunctionCallRequest", "functions": [CALL]},
            FunctionCallRequest(
                type="FunctionCallRequest",
                data={},
                functions=(FunctionCall(id="1", name="lookup", arguments="{}", client_side=True),),
            ),
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_known_type_comes_typed_with_all_of_its_fields(data: dict[str, Any], message: Message) -> None:
    parsed = parse_plain(data)
    assert type(parsed) is type(message)
    assert parsed.data == data
    for name in set(type(message).__slots__) - {"data"}:
        assert getattr(parsed, name) == getattr(message, name)


@pytest.mark.parametrize(
    "functions",
    [
        None,
        5,
        "f",
        [None],
        [{}],
        [{**CALL, "arguments": {}}],
        {"a": CALL},
        {},
        "",
    ],
    ids=repr,
)
def test_function_calls_that_are_not_as_documented_come_as_they_are(functions: Any) -> None:
    assert type(parse_plain({"type": "FunctionCallRequest", "functions": functions})) is Message


@pytest.mark.parametrize(
    ("total", "ms"),
    [
        ("1.25", 1250),
        ("0", 0),
        ("0.0004", 0),
        ("7200", 7_200_000),
        *((nonsense, None) for nonsense in ("7200.1", "-0.001", "1e300", "9" * 400, "NaN", "Infinity", "-Infinity")),
        *((nonsense, None) for nonsense in ("true", "null", '"1"', "[1]", "{}")),
    ],
)
def test_a_total_latency_is_seconds_that_a_session_can_last_and_all_else_is_nothing(total: str, ms: int | None) -> None:
    assert total_latency_ms(parse(f'{{"type": "LatencyReport", "total_latency": {total}}}').data) == ms


def test_a_report_of_a_part_has_no_total() -> None:
    assert total_latency_ms({"type": "LatencyReport", "stt_latency": 0.1}) is None


def test_the_documented_types_are_those_that_the_emulator_knows() -> None:
    assert set(SERVER) - {"__customFromThinkProvider"} == SERVER_TYPES
