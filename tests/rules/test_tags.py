"""The one rewrite: Settings gain the run's tag, and nothing else of them changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_dgbudget.rules.vendor_messages import with_tag

from .strategies import BLANKS, KEYS, VALUES, json_texts, members

TAGS = st.text("abcdefghij-0123456789", min_size=1, max_size=20).map("dgbudget-{}".format)
OTHER_KEYS = KEYS.filter(lambda key: key != "tags")


@st.composite
def objects(draw: st.DrawFn, keys: st.SearchStrategy[str] = KEYS) -> str:
    inside = ",".join(draw(st.lists(members(keys), max_size=4)))
    return f"{draw(BLANKS)}{{{inside or draw(BLANKS)}}}{draw(BLANKS)}"


@given(objects(), TAGS)
def test_the_tag_is_appended_and_every_value_stays(text: str, tag: str) -> None:
    before, after = json.loads(text), json.loads(with_tag(text, tag))
    tags = before.get("tags")
    assume(tags is None or isinstance(tags, list))
    assert after == {**before, "tags": [*(tags or []), tag]}
    assert [key for key in after if key != "tags"] == [key for key in before if key != "tags"]


@given(st.lists(members(), max_size=2), st.lists(members(OTHER_KEYS), max_size=2), BLANKS, st.data(), TAGS)
def test_every_byte_outside_the_tags_stays_and_of_two_the_last_counts(
    before: list[str], after: list[str], blanks: str, data: st.DataObject, tag: str
) -> None:
    tags = data.draw(json_texts(st.lists(VALUES, max_size=3)))
    head = "{" + "".join(f"{member}," for member in before) + f'"tags":{blanks}'
    tail = blanks + "".join(f",{member}" for member in after) + "}"
    result = with_tag(head + tags + tail, tag)
    assert result.startswith(head)
    assert result.endswith(tail)
    assert json.loads(result[len(head) : len(result) - len(tail)]) == [*json.loads(tags), tag]


@given(objects(OTHER_KEYS), TAGS)
def test_without_tags_the_text_only_grows(text: str, tag: str) -> None:
    result = with_tag(text, tag)
    added = f'"tags": ["{tag}"]'
    assert result.replace(f"{added}, ", "", 1) == text or result.replace(added, "", 1) == text


@given(st.text(max_size=30) | json_texts(VALUES.filter(lambda value: not isinstance(value, dict))), TAGS)
def test_what_is_no_object_stays_as_it_is(text: str, tag: str) -> None:
    assume(not text.strip().startswith("{"))
    assert with_tag(text, tag) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{,}",
        '{"a":1,}',
        '{"a" 1}',
        '{"a":}',
        '{"a":1} x',
        '{"a":1}{"b":2}',
        "{'a':1}",
        '{"tags":"smoke"}',
        '{"tags":{}}',
        '{"tags":0}',
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=lambda text: text[:16],
)
def test_what_cannot_be_tagged_stays_for_the_vendor_to_refuse(text: str) -> None:
    assert with_tag(text, "t") == text


def test_tags_that_are_nested_elsewhere_stay() -> None:
    text = '{"agent": {"tags": ["a"]}, "x": [{"tags": []}]}'
    assert with_tag(text, "t") == '{"tags": ["t"], "agent": {"tags": ["a"]}, "x": [{"tags": []}]}'


def test_null_tags_are_none() -> None:
    assert with_tag('{"tags": null, "a": 1}', "t") == '{"tags": ["t"], "a": 1}'


def test_an_empty_object_gains_tags_alone() -> None:
    assert with_tag("{ }", "t") == '{ "tags": ["t"]}'


def test_what_could_be_sent_can_still_be_sent() -> None:
    with_tag('{"tags": ["\\ud800"]}', "t").encode()
