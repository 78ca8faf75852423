"""Where a text is cut into what is said one after another."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.emulator.agent.sentences import sentences

TEXTS = st.text() | st.text(alphabet='aB1 .!?…"\u201d)\n\u3002\uff01\uff1f')


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("One", ["One"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("One.\n\nTwo.  Three.", ["One.", "Two.", "Three."]),
        ('He said "yes." Then he left.', ['He said "yes."', "Then he left."]),
        ("Well… (really?) Yes.", ["Well…", "(really?)", "Yes."]),
        ("It costs 12.50 or 1.000.000 at example.com, e.g. today.", 1),
        ("Dr. Smith and Mrs. Jones live in St. Ives, No. 5.", 1),
        ("J. S. Bach wrote it. Then, i.e. later, no.", ["J. S. Bach wrote it.", "Then, i.e. later, no."]),
        ("一\u3002二\uff01三\uff1f\uff01四", ["一\u3002", "二\uff01", "三\uff1f\uff01", "四"]),
        ("What?! Really?!", ["What?!", "Really?!"]),
        ("Wait...", ["Wait..."]),
    ],
)
def test_a_text_is_cut_after_what_ends_a_sentence(text: str, parts: list[str] | int) -> None:
    assert sentences(text) == ([text] if parts == 1 else parts)


def visible(text: str) -> str:
    return re.sub(r"\s", "", text)


@given(TEXTS)
def test_nothing_that_is_visible_is_lost_or_made_up(text: str) -> None:
    parts = sentences(text)
    assert visible("".join(parts)) == visible(text)
    assert len(parts) == 1 or all(part and part == part.strip() for part in parts)


@given(TEXTS)
def test_a_sentence_is_cut_no_further(text: str) -> None:
    for part in sentences(text):
        assert sentences(part) == [part] or len(sentences(text)) == 1


def test_a_long_text_takes_no_time() -> None:
    start = time.process_time()
    for text in ("a" * 1_000_000, "." * 100_000, "A. " * 30_000, ". " * 100_000, '."' * 50_000):
        sentences(text)
    assert time.process_time() - start < 5
