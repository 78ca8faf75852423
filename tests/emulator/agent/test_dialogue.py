"""What is answered to what, and with which arguments functions are called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.emulator.agent.dialogue import Function, arguments_for, function_for
from pytest_dgbudget.emulator.agent.function_endpoint import FunctionEndpoint

ORDER = Function(name="get_order_status", description="Look up an order")
WEATHER = Function(name="getWeather", description="What is the weather in a city?")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Where is my ORDER?", ORDER),
        ("the order status, please", ORDER),
        ("How is the weather in the city?", WEATHER),
        ("What is up?", None),
        ("Get it for me", None),
        ("", None),
    ],
)
def test_function_by_shared_words(text: str, wanted: Function | None) -> None:
    assert function_for(text, [ORDER, WEATHER]) == wanted


def test_the_most_shared_words_win_then_the_first() -> None:
    cancel = Function(name="cancel_order")
    assert function_for("cancel the order", [ORDER, cancel]) == cancel
    assert function_for("my order", [cancel, ORDER]) == cancel


def test_functions_elsewhere_are_not_called() -> None:
    elsewhere = Function(name="order", endpoint=FunctionEndpoint(url="https://functions.example/order"))
    here = Function(name="order", endpoint=FunctionEndpoint(url="http://127.0.0.1:1/order"))
    assert function_for("my order", [elsewhere]) is None
    assert function_for("my order", [elsewhere, here]) is here


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "Where is order A-17?", "A-17"),
        ({"type": "string"}, "How is Paris today", "Paris"),
        ({"type": "string"}, "hello", "hello"),
        ({"type": "string", "enum": ["red", "blue"]}, "a Blue one", "blue"),
        ({"type": "string", "enum": ["red", "blue"]}, "any", "red"),
        ({"type": "string", "default": "d", "enum": ["e"]}, "x", "d"),
        ({"type": "string", "example": "e"}, "x", "e"),
        ({"const": 5}, "x", 5),
        ({"type": "integer"}, "order 17 of 20", 17),
        ({"type": "integer", "minimum": 3}, "some", 3),
        ({"type": "number"}, "pay 12.50", 12.5),
        ({"type": "number"}, "some", 1),
        ({"type": "boolean"}, "x", True),
        ({"type": "null"}, "x", None),
        ({"type": ["null", "integer"]}, "4", 4),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "4", 4),
        ({"type": "array", "items": {"type": "integer"}}, "4", [4]),
        ({"type": "object", "properties": {"b": {"type": "integer"}}}, "4", {"b": 4}),
        ({}, "x", "x"),
        ("nonsense", "x", "x"),
    ],
)
def test_arguments_fit_their_schema(schema: Any, text: str, value: Any) -> None:
    function = Function(name="f", parameters={"type": "object", "properties": {"a": schema}})
    assert json.loads(arguments_for(function, text)) == {"a": value}


@pytest.mark.parametrize("parameters", [{}, {"type": "object"}, {"properties": []}, {"default": 1}])
def test_no_properties_are_no_arguments(parameters: dict[str, Any]) -> None:
    assert arguments_for(Function(name="f", parameters=parameters), "x") == "{}"


KEYS = st.sampled_from(["type", "properties", "items", "enum", "anyOf", "oneOf", "examples", "minimum", "object", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, JSON, max_size=3), st.text())
def test_any_schema_and_any_text_give_json(parameters: dict[str, Any], text: str) -> None:
    function = Function(name="f", parameters=parameters)
    assert isinstance(json.loads(arguments_for(function, text)), dict)
    function_for(text, [function])


def test_long_text_takes_no_time() -> None:
    text = "a" * 2_000_000
    assert function_for(text, [ORDER]) is None
    arguments_for(Function(name="f", parameters={"properties": {"a": {"type": "string"}}}), text)
