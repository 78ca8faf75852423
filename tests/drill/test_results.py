"""What a drill's result says, which one is worst, and the exit status."""

from __future__ import annotations

import pytest

from pytest_dgbudget.cli.drill_table import closing_line, table_of
from pytest_dgbudget.drill.results import DrillResult, as_json, exit_status, worst_of

HELD = DrillResult(name="sleep", outcome="held", leak_ms=0, lateness_ms=2)
LEAKED = DrillResult(name="fork", outcome="leaked", leak_ms=1200, lateness_ms=1190)
SKIPPED = DrillResult(name="kill-worker", outcome="skipped", why="pytest-xdist is not installed")
FAILED = DrillResult(name="exit", outcome="failed", why="no session was open after 30 s; pytest wrote:\n[1] no")


def test_a_result_has_seconds_and_dollars_at_the_highest_price_rounded_up() -> None:
    assert LEAKED.as_json() == {
        "name": "fork",
        "result": "leaked",
        "leak_seconds": 1.2,
        "leak_usd": 0.00326,
        "lateness_ms": 1190,
        "why": None,
    }


def test_what_was_not_measured_is_null_and_not_zero() -> None:
    figures = SKIPPED.as_json()
    assert [figures[name] for name in ("leak_seconds", "leak_usd", "lateness_ms")] == [None, None, None]


def test_the_worst_is_the_one_that_leaked_most() -> None:
    assert worst_of([SKIPPED, HELD, LEAKED]) is LEAKED
    assert as_json([HELD, LEAKED])["worst"] == {"name": "fork", "leak_seconds": 1.2, "leak_usd": 0.00326}
    assert as_json([SKIPPED, FAILED])["worst"] is None


@pytest.mark.parametrize(
    ("results", "max_leak_ms", "status"),
    [
        pytest.param([HELD, LEAKED, SKIPPED], None, 0, id="without a limit"),
        pytest.param([HELD, LEAKED, SKIPPED], 1199, 1, id="above the limit"),
        pytest.param([HELD, LEAKED, SKIPPED], 1200, 0, id="at the limit"),
        pytest.param([HELD], 0, 0, id="nothing leaked, and nothing may"),
        pytest.param([HELD, FAILED], None, 1, id="one broke"),
        pytest.param([SKIPPED], None, 0, id="none was run, without a limit"),
        pytest.param([SKIPPED], 1000, 1, id="none was run that would say"),
    ],
)
def test_the_exit_status_is_1_above_the_limit_and_where_a_drill_broke(
    results: list[DrillResult], max_leak_ms: int | None, status: int
) -> None:
    assert exit_status(results, max_leak_ms) == status


def test_the_table_says_what_was_not_measured_and_why() -> None:
    lines = "\n".join(table_of([HELD, LEAKED, SKIPPED, FAILED])).splitlines()
    assert lines[0].split() == ["drill", "result", "leak", "costs", "at", "most", "late"]
    assert lines[2].split() == ["fork", "leaked", "1.200", "s", "$0.003260", "1190", "ms"]
    assert lines[3].split() == ["kill-worker", "skipped", "-", "-", "-"]
    assert "kill-worker skipped: pytest-xdist is not installed" in lines
    assert "[1] no" in lines, "what pytest wrote is not taken for markup"
    assert "try it by itself: dgbudget drill --only exit" in lines
    assert lines[-1] == "worst leak: 1.200 s ($0.003260), fork; 1 held, 1 leaked, 1 skipped, 1 failed"


def test_where_nothing_was_measured_there_is_no_worst() -> None:
    assert closing_line([SKIPPED]) == "nothing was measured: 1 skipped"
