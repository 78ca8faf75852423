"""What is said of a client that sends something else than the cassette which plays its session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from pytest_dgbudget.errors import CassetteMismatch

if TYPE_CHECKING:
    from pytest_dgbudget.model import Mismatch


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
    differences = (f"  {line}" for line in mismatch.differences)
    return "\n".join([f"{mismatch.what} ({place_of(mismatch)})", *differences, what_to_do(mismatch, nodeid)])


def place_of(mismatch: Mismatch) -> str:
    """Return where in a cassette it is, as a file and line if one is concerned."""
    return mismatch.cassette if mismatch.line is None else f"{mismatch.cassette}/session.jsonl, line {mismatch.line}"


def what_to_do(mismatch: Mismatch, nodeid: str) -> str:
    """Return in one line what helps where the client has changed on purpose, and where it differs each time."""
    record = f"record it again with {records_again([nodeid])}"
    if mismatch.kind == "content":
        return f"{record}; or, {_ignore(mismatch.allowed_by)}"
    if mismatch.allowed_by:
        rules = " or ".join(mismatch.allowed_by)
        mark = " or ".join(f'dg_cassette(audio="{rule}")' for rule in mismatch.allowed_by)
        return f"{record}; or, if the user's audio may change, set dg_cassette_audio to {rules}, or use {mark}"
    return f"have the client send again what it sent then, or {record}"


def _ignore(places: Sequence[str]) -> str:
    if not places:
        return "if what differs may change, name each place in dg_cassette_ignore, or dg_cassette(ignore=[…])"
    mark = ", ".join(f'"{place}"' for place in places)
    it = "it" if len(places) == 1 else "them"
    return f"if {' and '.join(places)} may change, name {it} in dg_cassette_ignore, or dg_cassette(ignore=[{mark}])"
