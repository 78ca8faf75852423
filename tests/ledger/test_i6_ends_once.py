"""I6: every lease ends exactly once. I7: and where somebody's end is unknown, it is not counted as zero."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.ledger.ledger import Ledger
from tests.support.ledger import leased, open_ledger, usage

ALLOWANCE_MS = 10_000
# What was metered of each session of a lease: None where nobody knows, or "open" while nobody has seen its end.
SESSIONS = st.lists(st.none() | st.just("open") | st.integers(0, 2 * ALLOWANCE_MS), max_size=4)


@contextmanager
def left_ledger() -> Iterator[tuple[Ledger, Path]]:
    """A ledger of a gateway that nobody serves any more, whether it knows or not."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        ledger = open_ledger(path, id="left", run="left", budget_ms=None)
        yield ledger, path
        ledger.close()


@given(st.lists(st.sampled_from(["settle", "sweep"]), min_size=1, max_size=5), st.integers(0, 2 * ALLOWANCE_MS))
def test_i6_whoever_ends_a_lease_first_has_ended_it(endings: list[str], used_ms: int) -> None:
    with left_ledger() as (ledger, path):
        lease = leased(ledger, ledger.begin_attempt("t", "", ALLOWANCE_MS))
        ledger.record_dial(lease)
        for number, ending in enumerate(endings):
            if ending == "sweep":
                open_ledger(path, id=f"other-{number}").close()
            else:
                ledger.settle(lease, used_ms + number)
        first = ("settled", used_ms) if endings[0] == "settle" else ("orphaned", ALLOWANCE_MS)
        assert [(each.how, each.ended_ms) for each in ledger.facts().leases] == [first]


@given(SESSIONS)
def test_i7_unknown_is_never_zero_in_a_lease_that_was_left(sessions: list[int | str | None]) -> None:
    with left_ledger() as (ledger, path):
        lease = leased(ledger, ledger.begin_attempt("t", "", ALLOWANCE_MS))
        for ms in sessions:
            dial = ledger.record_dial(lease)
            if not isinstance(ms, str):
                ledger.record_usage(usage(dial, ms, confirmed=ms is not None))
        open_ledger(path).close()
        facts = ledger.facts()
    known = [ms for ms in sessions if isinstance(ms, int)]
    how, charged_ms = "settled", sum(known)
    if len(known) < len(sessions):
        how, charged_ms = "orphaned", max(sum(known), ALLOWANCE_MS)
    assert [(each.how, each.charged_ms) for each in facts.leases] == [(how, charged_ms)]
    assert sorted(session.ms for session in facts.sessions if session.ms is not None) == sorted(known)
    assert all(session.confirmed == (session.ms is not None) for session in facts.sessions)
