"""The arguments of a function call are held against the schema that Settings declare."""

from __future__ import annotations

import json
import re
from pathlib import Path
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


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"a.b": "x"}, "/a.b"),
        ({"a": {"b": "x"}}, "/a/b"),
        ({"a": {"b": 1}, "a.b": "x"}, "/a.b"),
        ({"a.b": 1, "a": {"b": "x"}}, "/a/b"),
        ({"list[0]": ["y", "x"]}, "/list[0]/1"),
        ({"": {"ü{}": "x"}}, "//ü{}"),
    ],
)
def test_a_place_is_a_json_pointer_whatever_the_properties_are_called(arguments: Any, path: str) -> None:
    again = {"$ref": "#"}
    schema = {"not": {"const": "x"}, "properties": {"a.b": again}, "additionalProperties": again, "items": again}
    with pytest.raises(BadFunctionCall) as caught:
        check_arguments(called(arguments), schema)
    assert (caught.value.path, caught.value.value) == (path, "x")


REFERENCE = "which is not in the schema and is not fetched; copy what it refers to"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "nonsense"}, "Unknown type"),
        ({"properties": []}, "they are no JSON Schema (draft 7): AttributeError"),
        ("no schema", "they are no JSON Schema (draft 7): AttributeError"),
        ({"$ref": "#/$defs/none"}, "Unresolvable ref"),
        (
            {"pattern": r"^\p{L}+$"},
            r"Python's re can't read the pattern ^\p{L}+$: bad escape \p at position 1; write it",
        ),
        ({"$ref": "https://example.com/schema"}, f"$ref to https://example.com/schema, {REFERENCE}"),
        ({"$ref": "defs.json#/part"}, f"$ref to defs.json, {REFERENCE}"),
        ({"$ref": "urn:example:part"}, f"$ref to urn:example:part, {REFERENCE}"),
    ],
)
def test_a_schema_that_is_none_is_the_settings_fault(schema: Any, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_arguments(called({}), schema)
    assert str(caught.value).startswith("the parameters of the function order in the settings: ")
    assert said in str(caught.value)


def test_a_file_that_a_schema_refers_to_is_never_read(tmp_path: Path) -> None:
    allows_all = tmp_path / "schema.json"
    allows_all.write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(REFERENCE)):
        check_arguments(called({}), {"$ref": allows_all.as_uri()})


def test_a_schema_may_refer_to_itself_by_its_own_id() -> None:
    schema = {"$id": "https://example.com/schema", "properties": {"part": {"$ref": "https://example.com/schema"}}}
    check_arguments(called({"part": {}}), schema)
    with pytest.raises(BadFunctionCall, match="/part/part is 1"):
        check_arguments(called({"part": {"part": 1}}), {**schema, "type": "object"})
