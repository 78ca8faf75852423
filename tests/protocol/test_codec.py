"""What crosses a process border arrives as what it was, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.protocol.codec import from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    name: str
    kind: Literal["a", "b"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    number: int
    seconds: float
    is_set: bool
    maybe: int | None
    inner: tuple[Inner, ...]
    anything: Any
    table: dict[str, Any]


TEXT = st.text(max_size=8)
INNER = st.builds(Inner, name=TEXT, kind=st.sampled_from(["a", "b"]))
JSON = st.none() | st.booleans() | st.integers() | TEXT | st.lists(st.integers(), max_size=2)
OUTER = st.builds(
    Outer,
    number=st.integers(),
    seconds=st.floats(allow_nan=False, allow_infinity=False),
    is_set=st.booleans(),
    maybe=st.none() | st.integers(),
    inner=st.lists(INNER, max_size=3).map(tuple),
    anything=JSON,
    table=st.dictionaries(TEXT, JSON, max_size=2),
)
ONE = Outer(number=1, seconds=2.0, is_set=True, maybe=None, inner=(), anything=None, table={})


@given(OUTER)
def test_what_goes_out_comes_in(outer: Outer) -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(outer)))) == outer


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "1"},
        {"number": True},
        {"number": 1.0},
        {"seconds": "2"},
        {"is_set": 1},
        {"maybe": "none"},
        {"inner": None},
        {"inner": [{"name": "n", "kind": "c"}]},
        {"inner": [{"name": "n"}]},
        {"table": []},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_field_of_another_type_or_name_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"in place of|has the fields|is none of"):
        from_json(Outer, {**to_json(ONE), **wrong})


def test_a_missing_field_is_refused() -> None:
    fields = to_json(ONE)
    del fields["maybe"]
    with pytest.raises(ValueError, match="has the fields"):
        from_json(Outer, fields)
