"""The arguments of a function call are held against the schema that Settings declare."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pytest_dgbudget.client.arguments import check_arguments
from pytest_dgbudget.errors import BadFunctionCall, SettingsError
from pytest_dgbudget.rules.vendor_messages import FunctionCall

SCHEMA = {
    "type": "object",
    "properties": {
        "size": {"enum": ["small", "large"]},
        "a/b~c": {"type": "integer"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}},
    },
    "additionalProperties": False,
    "$defs": {"part": {"type": "object", "required": ["name"]}},
}


def called(arguments: Any) -> FunctionCall:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return FunctionCall(id="1", name="order", arguments=text, client_side=True)


@pytest.mark.parametrize("arguments", ["", {}, {"size": "small", "a/b~c": 1}, {"parts": [{"name": "x"}]}])
def test_arguments_that_fit_pass(arguments: Any) -> None:
    check_arguments(called(arguments), SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "path", "value", "said"),
    [
        ({"size": "huge"}, "/size", "huge", "/size is \"huge\", which must be one of ['small', 'large']"),
        ({"a/b~c": "1"}, "/a~1b~0c", "1", '/a~1b~0c is "1", which must be integer'),
        ({"parts": [{"name": "x"}, {}]}, "/parts/1", {}, "/parts/1 is {}, which must contain ['name'] properties"),
        ({"color": "red"}, "", {"color": "red"}, "they must not contain {'color'} properties"),
        ("[1]", "", "[1]", "they must be a JSON object"),
        ("no JSON", "", "no JSON", "they must be a JSON object"),
    ],
)
def test_others_are_refused_with_the_place_and_the_value(arguments: Any, path: str, value: Any, said: str) -> None:
    with pytest.raises(BadFunctionCall, match=re.escape(said)) as caught:
        check_arguments(called(arguments), SCHEMA)
    assert (caught.value.function, caught.value.path, caught.value.value) == ("order", path, value)
    assert isinstance(caught.value, AssertionError)


def test_without_a_schema_any_object_passes() -> None:
    check_arguments(called({"anything": [1]}), None)
    with pytest.raises(BadFunctionCall):
        check_arguments(called("[]"), None)


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "https://example.com/schema"}])
def test_a_schema_that_is_none_is_the_settings_fault(schema: Any) -> None:
    with pytest.raises(SettingsError, match="the parameters of the function order in the settings"):
        check_arguments(called({}), schema)
