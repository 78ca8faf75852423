"""Which leases the statement changes, and how long it is read."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.ledger.facts import SessionFacts
from pytest_dgbudget.reconcile.task import ReconciliationTask, stated_leases
from pytest_dgbudget.rules.verdicts import Tolerance
from tests.support import facts
from tests.support.facts import attempt, lease, session


def test_an_orphaned_lease_comes_to_what_was_seen_and_what_is_stated() -> None:
    run = facts.run(
        leases=(lease(how="orphaned"),), sessions=(session(id="seen", ms=2000), session(id="lost", ms=None))
    )
    assert stated_leases(run, {"lost": 700}) == {"l": 2700}


def test_while_one_of_its_sessions_is_unknown_an_orphaned_lease_stays_as_it_is() -> None:
    run = facts.run(leases=(lease(how="orphaned"),), sessions=(session(id="a", ms=None), session(id="b", ms=None)))
    assert stated_leases(run, {"a": 700}) == {}


def test_a_lease_that_was_settled_or_is_open_costs_what_we_saw_whatever_is_stated() -> None:
    for how in ("settled", None):
        run = facts.run(leases=(lease(how=how),), sessions=(session(id="a", ms=2000),))
        assert stated_leases(run, {"a": 700}) == {}


def test_what_was_emulated_in_a_live_run_is_not_looked_up() -> None:
    run = facts.run(
        attempts=(attempt(), attempt(id="b", target="emulator")),
        leases=(lease(), lease(id="m", attempt="b", how="orphaned")),
        sessions=(
            session(id="early", lease="m", attempt="b", target="emulator", opened_at="2026-11-01T10:00:00.000Z"),
            session(id="own"),
        ),
    )
    task = ReconciliationTask(facts=run, tolerance=Tolerance(ms=0, share=0), grace_ms=0, drift=0, prices={})
    assert [each.id for each in task.sessions()] == ["own"]
    assert task.started_at.isoformat() == "2026-11-02T10:00:00+00:00"
    assert stated_leases(run, {"early": 1}) == {}


class Counted(tuple[SessionFacts, ...]):
    """Counts how often somebody went through it."""

    times = 0

    def __iter__(self) -> Iterator[SessionFacts]:
        Counted.times += 1
        return super().__iter__()


def test_a_long_run_is_not_looked_through_for_each_of_its_leases() -> None:
    leases = [lease(id=f"l{number}") for number in range(100)]
    run = facts.run(
        leases=(*leases, lease(id="lost", how="orphaned")), sessions=Counted([session(lease="lost", ms=1000)])
    )
    Counted.times = 0
    assert stated_leases(run, {}) == {"lost": 1000}
    assert Counted.times == 1


def test_a_part_of_a_timeout_ends_with_the_whole() -> None:
    whole = Timeout(60)
    part = whole.part(0.5)
    assert 0 < part.left() <= 30
    assert not part.pause(31)
    whole.stop()
    assert part.left() == 0
