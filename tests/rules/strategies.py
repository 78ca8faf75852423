"""JSON texts in every dress that the grammar allows."""

from __future__ import annotations

import json

from hypothesis import strategies as st

BLANKS = st.text(" \t\n\r", max_size=3)
KEYS = st.sampled_from(["tags", "type", "agent", "Tags", "tags ", ""]) | st.text(max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


@st.composite
def json_texts(draw: st.DrawFn, values: st.SearchStrategy[object] = VALUES) -> str:
    """A value as some writer or other would put it."""
    return json.dumps(
        draw(values),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.none() | st.integers(0, 2)),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")])),
    )


@st.composite
def members(draw: st.DrawFn, keys: st.SearchStrategy[str] = KEYS) -> str:
    """One ``"key": value`` of an object, blanks around everything."""
    key = json.dumps(draw(keys), ensure_ascii=draw(st.booleans()))
    return f"{draw(BLANKS)}{key}{draw(BLANKS)}:{draw(BLANKS)}{draw(json_texts())}{draw(BLANKS)}"
