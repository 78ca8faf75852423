"""What the vendor's statement says that leases came to: windows count that."""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.ledger.statements import BilledLease
from pytest_dgbudget.reconcile.billed import billed_leases
from pytest_dgbudget.reconcile.own_sessions import own_session
from pytest_dgbudget.rules.comparison import Line, VendorRow
from tests.support.facts import attempt, lease, run, session


def line(of: Any, *, settled: bool = True, **figures: int | None) -> Line:
    row = VendorRow(request_id="r", settled=settled, **figures)  # type: ignore[arg-type]
    return Line(kind="matched", request_id="r", own=(own_session(of, "run"),), rows=(row,))


def test_the_statements_figures_stand_for_ours_and_ours_where_it_has_none() -> None:
    first, second = session(id="a", ms=2000, micro_usd=2500), session(id="b", ms=1000, micro_usd=1250)
    facts = run(leases=(lease(ended_ms=3000),), sessions=(first, second))
    assert billed_leases(facts, [line(first, duration_ms=2100)]) == {"l": BilledLease(3100, None)}
    assert billed_leases(facts, [line(second, micro_usd=1300)]) == {"l": BilledLease(None, 3800)}
    assert billed_leases(facts, []) == {}


def test_a_session_of_which_nobody_knows_anything_leaves_its_lease_as_it_is() -> None:
    seen, lost = session(id="a", ms=2000), session(id="b", ms=None)
    facts = run(leases=(lease(how="orphaned"),), sessions=(seen, lost))
    assert billed_leases(facts, [line(seen, duration_ms=2100)]) == {}
    both = [line(seen, duration_ms=2100), line(lost, duration_ms=500)]
    assert billed_leases(facts, both) == {"l": BilledLease(2600, None)}


def test_figures_that_may_still_change_and_those_of_several_sessions_say_nothing() -> None:
    one, other = session(id="a"), session(id="b")
    facts = run(sessions=(one, other))
    twice = Line(
        kind="matched",
        request_id="r",
        own=(own_session(one, "run"), own_session(other, "run")),
        rows=(VendorRow(request_id="r", duration_ms=2100, settled=True),),
    )
    assert billed_leases(facts, [line(one, duration_ms=2100, micro_usd=2600, settled=False), twice]) == {}


def test_a_lease_that_is_open_and_what_is_not_billed_says_nothing() -> None:
    own, emulated = session(id="a"), session(id="b", lease="m", attempt="e", target="emulator")
    facts = run(
        attempts=(attempt(), attempt(id="e", target="emulator")),
        leases=(lease(how=None, ended_ms=None), lease(id="m", attempt="e")),
        sessions=(own, emulated),
    )
    lines = [line(own, duration_ms=2100), line(emulated, duration_ms=2100)]
    assert billed_leases(facts, lines) == {}
    assert billed_leases(run(billed=False, sessions=(own,)), lines) == {}
