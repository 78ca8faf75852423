"""Which leases the statement changes, and how long it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.ledger.facts import SessionFacts
from pytest_dgbudget.reconcile.task import ReconciliationTask, stated_leases, task_of
from pytest_dgbudget.rules.comparison import Terms
from pytest_dgbudget.rules.prices import SHIPPED
from pytest_dgbudget.rules.verdicts import Tolerance
from tests.support import facts
from tests.support.facts import attempt, lease, session
from tests.support.gateway import run_config_for, with_changes


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
    terms = Terms(tolerance=Tolerance(ms=0, share=0), grace_ms=0, now_ms=0)
    task = ReconciliationTask(facts=run, terms=terms)
    assert [each.id for each in task.sessions()] == ["own"]
    assert task.started_at.isoformat() == "2026-11-02T10:00:00+00:00"
    assert stated_leases(run, {"early": 1}) == {}


def test_a_runs_configuration_says_by_what_it_is_compared(tmp_path: Path) -> None:
    given = {"dg_drift": "1.5%", "dg_tolerance": "1s,10%", "dg_vendor_grace": "2m"}
    run_config = with_changes(run_config_for("ws://127.0.0.1:1", tmp_path, **given), prices={"standard": 70_000})
    terms = task_of(run_config, facts.run(billed=True)).terms_at(7)
    assert (terms.drift, terms.tolerance, terms.grace_ms, terms.now_ms) == (
        0.015,
        Tolerance(ms=1000, share=0.1),
        120_000,
        7,
    )
    assert terms.prices == {"standard": 70_000}
    assert terms.shipped == SHIPPED.micro_usd_per_minute


def test_what_an_emulator_charges_is_its_own_affair(tmp_path: Path) -> None:
    run_config = with_changes(run_config_for("ws://127.0.0.1:1", tmp_path), prices={"standard": 70_000})
    terms = task_of(run_config, facts.run(target="rehearsal", billed=False)).terms_at(7)
    assert (terms.prices, terms.shipped) == ({}, {})


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
