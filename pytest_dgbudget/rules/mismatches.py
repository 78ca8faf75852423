"""What is said of a client that sends something else than the cassette which plays its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dgbudget.errors import CassetteMismatch

if TYPE_CHECKING:
    from pytest_dgbudget.model import Mismatch

_TO_DO = (
    "record it anew with --dg-target=live --dg-record=rewrite --dg-budget=TIME; or, if that may change, name it in "
    "dg_cassette_ignore, or dg_cassette(ignore=[…])"
)


def mismatch_error(mismatch: Mismatch) -> CassetteMismatch:
    """Return the error of the test in which this happened."""
    return CassetteMismatch(
        explain_mismatch(mismatch), cassette=mismatch.cassette, line=mismatch.line, differences=mismatch.differences
    )


def explain_mismatch(mismatch: Mismatch) -> str:
    """Return what was sent instead of what, where the cassette has it, and what to do, in several lines."""
    happened = f"{mismatch.what} ({place_of(mismatch)})"
    return "\n".join([happened, *(f"  {line}" for line in mismatch.differences), _TO_DO])


def place_of(mismatch: Mismatch) -> str:
    """Return where in a cassette it is, as a file and line if one is concerned."""
    return mismatch.cassette if mismatch.line is None else f"{mismatch.cassette}/session.jsonl, line {mismatch.line}"
