from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.cassette_ignore import Ignored, escaped, parse_ignore, path_of, pointer_of


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("Settings/agent/think/prompt", Ignored("Settings", ("agent", "think", "prompt"))),
        ("UpdateThink_Live/a~1b~0c~01", Ignored("UpdateThink_Live", ("a/b~c~1",))),
        ("Settings/", Ignored("Settings", ("",))),
    ],
)
def test_an_entry_is_a_type_and_a_json_pointer(text: str, ignored: Ignored) -> None:
    assert parse_ignore(text) == ignored


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with the type of a message"),
        ("/agent", "does not begin with the type of a message"),
        (" Settings/agent", "does not begin with the type of a message"),
        ("Settings.agent", "does not begin with the type of a message"),
        ("Settings", r"names no place in the message \(all of it is Settings/\*\)"),
        ("Settings/a~2", "has a ~ that is neither ~0"),
        ("Settings/a~", "has a ~ that is neither ~0"),
        ("Settings/type", "is what messages are told apart by"),
    ],
)
def test_what_is_none_is_refused_with_what_is_accepted(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"{why}.*; accepted: a message's type and a JSON pointer into it, such as"):
        parse_ignore(text)


@given(path=st.lists(st.text(), max_size=4).map(tuple))
def test_a_pointer_leads_back_to_its_path(path: tuple[str, ...]) -> None:
    assert path_of(pointer_of(path)) == path
    assert "/" not in "".join(map(escaped, path))


@given(path=st.lists(st.text(), min_size=1, max_size=4).map(tuple), other=st.lists(st.text(), max_size=4).map(tuple))
def test_an_entry_covers_its_own_place_alone(path: tuple[str, ...], other: tuple[str, ...]) -> None:
    ignored = Ignored("Settings", tuple(key for key in path))
    assert ignored.covers(path)
    assert ignored.covers(other) == (path == other) or "*" in path


def test_a_star_stands_for_any_one_key() -> None:
    ignored = parse_ignore("Settings/a/*/b")
    assert ignored.covers(("a", "0", "b"))
    assert not ignored.covers(("a", "0", "1", "b"))
    assert not ignored.covers(("a", "b"))
