"""Version 1 of usage.json: who reads it can read every file of it, then and now.

``version_1/fields.json`` has the fields that are promised, each with the types that its reader must expect; fields are
added to it, none is taken away. ``version_1/usage.json`` is a file that has none but those which there always were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from pytest_dgbudget.report.document import SCHEMA, UsageDocument
from pytest_dgbudget.report.merging import merge
from pytest_dgbudget.report.rendering import RENDERINGS, rendered
from pytest_dgbudget.report.usage_file import write_usage
from pytest_dgbudget.report.usage_reading import read_usage
from tests.support import pages
from tests.support.shards import report, shards

FOLDER = Path(__file__).parent / "version_1"
PROMISED: dict[str, list[str]] = json.loads((FOLDER / "fields.json").read_text(encoding="utf-8"))
SHIPPED = json.loads(files("pytest_dgbudget.report").joinpath("usage.schema.json").read_text(encoding="utf-8"))
# They are in merged documents alone.
OF_MERGED = {".shards", ".tests[].shard", ".sessions[].shard"}
TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    dict: "object",
    list: "array",
}


def fields_of(schema: dict[str, Any], at: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield each field that a schema names, as a path such as ``.tests[].nodeid``, and its types."""
    for branch in schema.get("anyOf", [schema]):
        for name, each in branch.get("properties", {}).items():
            yield f"{at}.{name}", types_of(each)
            yield from fields_of(each, f"{at}.{name}")
        if "items" in branch:
            yield from fields_of(branch["items"], f"{at}[]")


def types_of(schema: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for branch in schema.get("anyOf", [schema]):
        named = branch.get("type", [])
        found.update([named] if isinstance(named, str) else named)
        values = [branch["const"]] if "const" in branch else branch.get("enum", [])
        found.update(TYPES[type(value)] for value in values)
    return found


def read_by_version_1(document: Any) -> None:
    """Read every field that is promised; raises where one is missing, or of a type that its reader does not know."""
    assert document["schema"] == "dgbudget.usage/1"
    for path, types in PROMISED.items():
        if path in OF_MERGED or path.startswith(".shards[]"):
            continue
        for value in values_at(document, path):
            kind = TYPES[type(value)]
            assert kind in types or (kind == "integer" and "number" in types), f"{path} is {value!r}"


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a path; nothing where something above it is null."""
    if not path:
        yield value
    elif value is None:
        return
    elif path.startswith("[]"):
        for each in value:
            yield from values_at(each, path[2:])
    else:
        ends = [at for at in (path.find(".", 1), path.find("[", 1)) if at > 0]
        end = min(ends, default=len(path))
        yield from values_at(value[path[1:end]], path[end:])


def test_no_field_has_gone_and_none_has_got_a_type_that_its_readers_do_not_expect() -> None:
    shipped = dict(fields_of(SHIPPED))
    assert PROMISED.keys() <= shipped.keys()
    for path, types in PROMISED.items():
        assert shipped[path] <= {*types}, path


def test_each_field_of_today_is_promised() -> None:
    """A new one gets its row in fields.json, and is kept from then on."""
    assert dict(fields_of(SHIPPED)).keys() == PROMISED.keys()


def test_the_schema_shipped_is_of_version_1_and_takes_fields_that_it_does_not_know() -> None:
    assert SHIPPED["properties"]["schema"]["const"] == SCHEMA == "dgbudget.usage/1"
    document: Any = pages.ordinary()
    for entry in (document, document["run"], document["tests"][0], document["sessions"][0], document["reconciliation"]):
        entry["of_tomorrow"] = {}
    jsonschema.Draft202012Validator(SHIPPED).validate(document)


@pytest.mark.parametrize("document", [report("a", "1", "2"), merge([("a", report("a", "1")), ("b", report("b"))])])
def test_a_reader_of_version_1_reads_a_file_of_today(tmp_path: Path, document: UsageDocument) -> None:
    document = json.loads(write_usage(document, tmp_path).read_bytes())
    jsonschema.Draft202012Validator(SHIPPED).validate(document)
    read_by_version_1(document)


@given(shards())
def test_so_it_reads_any_other(documents: list[UsageDocument]) -> None:
    for document in documents:
        read_by_version_1(json.loads(json.dumps(document)))


def test_the_first_file_of_version_1_is_read_today(tmp_path: Path) -> None:
    document = read_usage(FOLDER / "usage.json", tmp_path)
    jsonschema.Draft202012Validator(SHIPPED).validate(document)
    for name in RENDERINGS:
        assert rendered(name, document)
    assert len(merge([("usage.json", document)])["tests"]) == len(document["tests"])
