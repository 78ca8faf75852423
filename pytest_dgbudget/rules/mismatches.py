"""What is said of a client that sends something else than the cassette which plays its session."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote
from typing import TYPE_CHECKING

from pytest_dgbudget.errors import CassetteMismatch

if TYPE_CHECKING:
    from pytest_dgbudget.model import Mismatch

_TO_DO = "record it again with {}; or, if that may change, name it in dg_cassette_ignore, or dg_cassette(ignore=[…])"


def records_again(nodeids: Iterable[str]) -> str:
    """Return the command that records the cassettes of these tests again, and of no others: each is billed."""
    tests = " ".join(map(quote, nodeids))
    return f"pytest {tests} --dg-target=live --dg-record=rewrite --dg-budget=TIME"


def mismatch_error(mismatch: Mismatch, nodeid: str) -> CassetteMismatch:
    """Return the error of the test in which this happened."""
    return CassetteMismatch(
        explain_mismatch(mismatch, nodeid),
        cassette=mismatch.cassette,
        line=mismatch.line,
        differences=mismatch.differences,
    )


def explain_mismatch(mismatch: Mismatch, nodeid: str) -> str:
    """Return what was sent instead of what, where the cassette has it, and what to do, in several lines."""
    to_do = _TO_DO.format(records_again([nodeid]))
    return "\n".join([f"{mismatch.what} ({place_of(mismatch)})", *(f"  {line}" for line in mismatch.differences), to_do])


def place_of(mismatch: Mismatch) -> str:
    """Return where in a cassette it is, as a file and line if one is concerned."""
    return mismatch.cassette if mismatch.line is None else f"{mismatch.cassette}/session.jsonl, line {mismatch.line}"
