"""Sessions, rows and snapshots of a statement: made by hand, or by Hypothesis."""

from __future__ import annotations

from typing import Any, TypeVar

from hypothesis import strategies as st

from pytest_dgbudget.rules.comparison import Ours, OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.statement import ReadFailure, Reading, StatementSnapshot
from pytest_dgbudget.rules.verdicts import Tolerance
from pytest_dgbudget.units import known_sum

T = TypeVar("T")

NOW_MS = 1_800_000_000_000
TERMS = Terms(tolerance=Tolerance(ms=2000, share=0.05), grace_ms=600_000, now_ms=NOW_MS)
# Ended so long ago that the statement should have it.
OLD_MS = NOW_MS - 600_000
TAGS, NO_TAGS = frozenset(["dgbudget-run"]), frozenset[str]()
OURS = Ours(tags=TAGS)


def session(**fields: object) -> OwnSession:
    """A session that ended just now and carried the run's tag."""
    given: dict[str, object] = {
        "id": "s",
        "request_id": "r",
        "ms": 10_000,
        "ended_at_ms": NOW_MS,
        "tagged": True,
        "opened_at_ms": NOW_MS - 10_000,
        "handshake_ms": 100,
        "closing_ms": 0,
    }
    return OwnSession(**{**given, **fields})  # type: ignore[arg-type]


def row(**fields: object) -> VendorRow:
    """The row that agrees with that session."""
    given: dict[str, object] = {
        "request_id": "r",
        "duration_ms": 10_000,
        "micro_usd": 12_500,
        "tags": TAGS,
        "settled": True,
    }
    return VendorRow(**{**given, **fields})  # type: ignore[arg-type]


def was_read(value: T) -> Reading[T]:
    return Reading(value=value, read_at_ms=NOW_MS)


def failed(reason: str = "no", *, temporary: bool = False) -> Reading[Any]:
    return Reading(failure=ReadFailure(reason=reason, temporary=temporary))


def failed_since(value: T) -> Reading[T]:
    """Read once, and refused for good when it was to be read again."""
    return Reading(value=value, read_at_ms=NOW_MS, failure=ReadFailure(reason="no more", temporary=False))


def snapshot(*rows: VendorRow, **fields: Any) -> StatementSnapshot:
    """Everything read, and both totals as these rows have them."""
    tagged = [each for each in rows if OURS.has(each) is not False]
    given: dict[str, Any] = {
        "taken_at_ms": NOW_MS,
        "project": "project-1",
        "listing": was_read(True),
        "lookups": was_read(None),
        "hours": was_read(known_sum(each.duration_ms for each in tagged)),
        "dollars": was_read(known_sum(each.micro_usd for each in tagged)),
    }
    return StatementSnapshot(rows=frozenset(rows), **{**given, **fields})


def rows(
    ids: st.SearchStrategy[str], figures: st.SearchStrategy[int | None], most: int
) -> st.SearchStrategy[list[VendorRow]]:
    """Up to ``most`` rows; ``figures`` are their milliseconds and micro-dollars."""
    each = st.builds(
        VendorRow,
        request_id=ids,
        created=st.sampled_from([None, "yesterday", "today"]),
        created_ms=st.sampled_from([None, NOW_MS - 5000]),
        agent=st.sampled_from([None, True, False]),
        duration_ms=figures,
        elapsed_ms=figures,
        micro_usd=figures,
        key_id=st.sampled_from([None, "ours", "theirs"]),
        tags=st.sampled_from([TAGS, NO_TAGS, None]),
        settled=st.booleans(),
    )
    return st.lists(each, max_size=most)


@st.composite
def own_sessions(
    draw: st.DrawFn, ids: st.SearchStrategy[str], figures: st.SearchStrategy[int | None], most: int
) -> list[OwnSession]:
    """Up to ``most`` sessions, of which some have no id, no end, or no tag."""
    ended_ago_ms = st.none() | st.integers(0, 2_000_000)
    around_ms, tiers = st.none() | st.integers(0, 1000), st.sampled_from([None, "standard"])
    each = st.tuples(st.none() | ids, figures, ended_ago_ms, st.booleans(), around_ms, tiers)
    drawn = draw(st.lists(each, max_size=most))
    return [
        OwnSession(
            id=f"s{number}",
            request_id=request_id,
            ms=ms,
            ended_at_ms=None if ago_ms is None else NOW_MS - ago_ms,
            tagged=tagged,
            opened_at_ms=NOW_MS - 2_000_000,
            handshake_ms=around,
            closing_ms=around,
            tier=tier,
        )
        for number, (request_id, ms, ago_ms, tagged, around, tier) in enumerate(drawn)
    ]


@st.composite
def snapshots(
    draw: st.DrawFn, ids: st.SearchStrategy[str], figures: st.SearchStrategy[int | None], most: int
) -> StatementSnapshot:
    """What may have been read: everything, nothing but some of the rows, or only that there is no project."""
    failures = st.builds(ReadFailure, reason=st.just("it failed"), temporary=st.booleans())
    not_read = st.builds(Reading, failure=failures)
    if not draw(st.sampled_from([True, True, True, False])):
        return StatementSnapshot(taken_at_ms=NOW_MS, listing=draw(not_read))
    totals = not_read | st.integers(0, 10**7).map(was_read)
    return StatementSnapshot(
        taken_at_ms=NOW_MS,
        project="project-1",
        rows=frozenset(draw(rows(ids, figures, most))),
        listing=draw(not_read | st.booleans().map(was_read)),
        lookups=draw(not_read | st.just(was_read(None))),
        hours=draw(totals),
        dollars=draw(totals),
    )
