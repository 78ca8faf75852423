"""What is said of a mismatch, and what to do: only what helps."""

from __future__ import annotations

import pytest

from pytest_dgbudget.model import Mismatch, MismatchKind
from pytest_dgbudget.rules.mismatches import explain_mismatch

RECORD = "record it again with pytest test_it.py::test_it --dg-target=live --dg-record=rewrite --dg-budget=TIME"
IGNORE = f"{RECORD}; or, if {{}} may change, name {{}} in dg_cassette_ignore, or dg_cassette(ignore=[{{}}])"
AUDIO = f'{RECORD}; or, if the user\'s audio may change, set dg_cassette_audio to any, or use dg_cassette(audio="any")'
SEND_AGAIN = f"have the client send again what it sent then, or {RECORD}"


@pytest.mark.parametrize(
    ("kind", "allowed_by", "advice"),
    [
        ("content", ("X/a",), IGNORE.format("X/a", "it", '"X/a"')),
        ("content", ("X/a", "X/b"), IGNORE.format("X/a and X/b", "them", '"X/a", "X/b"')),
        ("content", (), IGNORE.format("what differs", "each place", "…")),
        ("audio", ("any",), AUDIO),
        ("left-over", ("any",), AUDIO),
        ("audio", (), SEND_AGAIN),
        ("messages", (), SEND_AGAIN),
        ("left-over", (), SEND_AGAIN),
    ],
)
def test_each_mismatch_says_what_helps_it(kind: MismatchKind, allowed_by: tuple[str, ...], advice: str) -> None:
    found = Mismatch(cassette="c/1", line=3, what="It.", differences=("a",), kind=kind, allowed_by=allowed_by)
    assert explain_mismatch(found, "test_it.py::test_it") == f"It. (c/1/session.jsonl, line 3)\n  a\n{advice}"
