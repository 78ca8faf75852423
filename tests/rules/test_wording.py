"""What the findings mean is said alike, and for each class that does not agree."""

from __future__ import annotations

from typing import get_args

from pytest_dgbudget.rules.verdicts import AGREEING, LineClass
from pytest_dgbudget.rules.wording import ADVICE, MEANING


def test_each_class_that_does_not_agree_has_a_meaning_and_an_advice() -> None:
    assert MEANING.keys() == ADVICE.keys() == {*get_args(LineClass)} - AGREEING


def test_whoever_is_to_be_written_to_is_named_alike() -> None:
    assert not [said for said in ADVICE.values() if "vendor" in said or "ask" in said]
