"""What a run came to, in a"""

from __future__ import annotations

from typing import Any

import pytest
import rich.console  # all of rich, or pytest's in-process runs leave it in halves
import rich.table  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.run_line import run_line, unused_line
from pytest_dgbudget.report.run_remarks import (
    attention_lines,
    leaks_line,
    longest_wait,
    no_session_line,
    protocol_line,
    remark_lines,
    run_keys_line,
    warning_lines,
)
from pytest_dgbudget.report.table_cells import cost_line
from pytest_dgbudget.report.tests_table import table_of_tests
from tests.support.facts import AT, attempt, invocation, lease, run, run_key, runs, session
from tests.support.shards import changed, report


def document(**fields: Any) -> UsageDocument:
    return usage_document(run(**fields))


def table(width: int = 100, color: bool = False, **fields: Any) -> list[str]:
    return table_of_tests(document(**fields), width=width, color=color).splitlines()


OVERRUN: dict[str, Any] = {"sessions": (session(closed_by="test-budget"),)}


def test_the_runs_own_keys_are_named_with_what_became_of_them() -> None:
    assert run_keys_line(document()) is None
    one = document(run_keys=(run_key("deleted-1"),))
    assert run_keys_line(one) == "dialled with a key of the run's own: deleted-1 (deleted)"
    two = document(run_keys=(run_key("deleted-1"), run_key("left")))
    assert run_keys_line(two) == "dialled with keys of the run's own: deleted-1 (deleted), left"
    assert two["run"]["keys"][1] == {"id": "left", "made_at": AT, "deleted_at": None}


BYPASS = "sessions went past the gateway, unmetered: they are in none of the figures"
OVER_BUDGET = "the run was charged more than its budget, although no test overran a budget"
INCOMPLETE = "the run was stopped, or a part of it is missing: it never said that it finished"


@pytest.mark.parametrize(
    ("figures", "lines"),
    [
        ({}, []),
        ({"verdict": "overrun", "bypass": "seen"}, [BYPASS]),
        ({"verdict": "overrun"}, [OVER_BUDGET]),
        ({"complete": False}, [INCOMPLETE]),
        ({"verdict": "overrun", "complete": False}, [OVER_BUDGET, INCOMPLETE]),
    ],
)
def test_a_run_whose_figures_need_attention_has_a_line_for_each_reason(
    figures: dict[str, Any], lines: list[str]
) -> None:
    assert [*attention_lines(changed(report("run", "a"), "run", **figures))] == lines


def test_an_overrun_of_a_test_is_no_overrun_that_nobody_is_to_blame_for() -> None:
    overrun = document(**OVERRUN)
    assert overrun["run"]["verdict"] == "overrun"
    assert [*attention_lines(overrun)] == []


def test_what_nobody_asked_for_is_left_out() -> None:
    made = document(run_keys=(run_key("left"),))
    assert [*remark_lines(made)] == ["dialled with a key of the run's own: left"]
    assert [*remark_lines(made, unasked=[run_keys_line])] == []
    assert [*remark_lines(made, unasked=[protocol_line])] == [*remark_lines(made)]


def test_that_no_session_came_is_not_said_where_one_did() -> None:
    unknown = changed(report("run"), "run", bypass="unknown")
    assert no_session_line(unknown) is not None
    assert no_session_line(changed(report("run", "a"), "run", bypass="unknown")) is None


# The table


def test_a_line_for_each_attempt_under_a_heading() -> None:
    heading, first, second = table(attempts=(attempt(waited_ms=2500), attempt(id="b", number=2, left_ms=None)))
    assert heading.split() == ["test", "used", "budget", "cost", "waited", "sessions", "verdict"]
    assert first.split() == ["test_x.py::test", "3.00s", "10.00s", "$0.0038", "2.50s", "1", "within"]
    assert second.split() == ["test_x.py::test", "(attempt", "2)", "0.00s", "-", "$0.0000", "0", "within"]


def test_an_overrun_says_how() -> None:
    assert table(**OVERRUN)[1].rstrip().endswith("overrun, cut")
    assert table(attempts=(attempt(refused=1, refused_untolerated=1),))[1].rstrip().endswith("overrun, refused")


@pytest.mark.parametrize(
    "overrun",
    [{**OVERRUN, "attempts": (attempt(outcome="xfailed"),)}, {"attempts": (attempt(refused=1, outcome="skipped"),)}],
    ids=["xfailed", "skipped"],
)
def test_an_overrun_that_fails_nothing_is_expected(overrun: dict[str, Any]) -> None:
    made = document(**overrun)
    assert table_of_tests(made, width=100, color=True).splitlines()[1].rstrip().endswith("overrun, expected")
    assert "verdict: overrun, expected" in run_line(made)
    assert run_line(document(attempts=(attempt(outcome="failed"),), **OVERRUN)).endswith("verdict: overrun")


def test_one_whose_test_was_run_again_is_called_rerun() -> None:
    made = document(**OVERRUN, attempts=(attempt(outcome="rerun"),))
    assert table_of_tests(made, width=100, color=True).splitlines()[1].rstrip().endswith("overrun, rerun")
    assert "verdict: overrun, rerun" in run_line(made)


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        ({"left_ms": 30_000, "cost_left_micro_usd": 50_000}, "30.00s, $0.05"),
        ({"left_ms": None, "cost_left_micro_usd": 50_000}, "$0.05"),
        ({"left_ms": 30_000}, "30.00s"),
    ],
)
def test_a_tests_budgets_are_shown_in_time_and_money(left: dict[str, Any], shown: str) -> None:
    heading, line = table(attempts=(attempt(**left),))
    end = heading.index("budget") + len("budget")
    assert line[:end].endswith(f"  {shown}")


def test_the_dearest_test_comes_first() -> None:
    attempts = (attempt(nodeid="cheap"), attempt(id="b", nodeid="dear"))
    leases = (lease(), lease(id="m", attempt="b", ended_ms=9000))
    assert [line.split()[0] for line in table(attempts=attempts, leases=leases)[1:]] == ["dear", "cheap"]


def test_a_test_whose_target_is_not_the_runs_is_labelled() -> None:
    attempts = (attempt(nodeid="own"), attempt(id="b", nodeid="other", number=2, target="emulator"))
    shown = "\n".join(table(attempts=attempts, leases=(), sessions=()))
    assert "other (attempt 2, emulator) " in shown
    assert "own  " in shown


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"a": 1}, "1 session was left open by its test and closed when it ended: a; close sessions in the test"),
        ({"a": 1, "b": 2}, "3 sessions were left open by their tests and closed when these ended: b (2), a; close"),
        (dict.fromkeys("abcdefg", 1), ": a, b, c, d, e, and 2 more tests; close"),
    ],
    ids=["one", "three", "many"],
)
def test_tests_that_left_sessions_open_are_named(left: dict[str, int], said: str) -> None:
    attempts = tuple(attempt(id=name, nodeid=name) for name in left)
    open_ones = [session(attempt=name, closed_by="teardown") for name, count in left.items() for _ in range(count)]
    never_opened = session(attempt="a", closed_by="teardown", handshake_ms=None)
    known: dict[str, Any] = {"attempts": attempts, "leases": (), "sessions": (*open_ones, never_opened)}
    assert said in (leaks_line(document(**known)) or "")
    assert leaks_line(document(invocations=(invocation(exit_status=2),), **known)) is None
    assert leaks_line(document()) is None


def test_names_lose_the_folders_that_they_share_before_they_are_cut() -> None:
    names = [f"tests/voice/deep/down/test_{n}.py::test_of_the_agent_{n}" for n in ("one", "two")]
    lines = table(80, attempts=tuple(attempt(id=n, nodeid=n) for n in names), leases=(), sessions=())
    assert [line.split()[0] for line in lines[1:]] == [n.removeprefix("tests/voice/deep/down/") for n in names]


def test_names_are_cut_at_the_front_and_never_where_they_differ() -> None:
    same_end = [f"test_{n}.py::test_{'x' * 80}" for n in ("one", "two")]
    other_end = [f"test.py::test_{'x' * 80}_{n}" for n in ("one", "two")]
    for names, starts in ((other_end, "…"), (same_end, "test_")):
        attempts = tuple(attempt(id=n, nodeid=n) for n in names)
        lines = table(80, attempts=attempts, leases=(), sessions=())
        assert [line.startswith(starts) for line in lines if "within" in line] == [True, True]
        shown = "".join(line.split("  ")[0].strip() for line in lines[1:])
        assert all((n in shown) if starts == "test_" else (n[-30:] in shown) for n in names)


def test_a_run_in_which_nothing_asked_for_a_session_has_one_line() -> None:
    unused: dict[str, Any] = {"attempts": (), "leases": (), "sessions": ()}
    line = unused_line(document(target="emulator", billed=False, **unused))
    assert line == "no test asked for a session (emulator, nothing used of 60.00s)"
    both = (invocation(cost_budget_micro_usd=500_000),)
    assert unused_line(document(invocations=both, **unused)) == (
        "no test asked for a session (live, nothing used of 60.00s, $0.50)"
    )
    assert unused_line(document()) is None
    assert unused_line(document(invocations=(invocation(exit_status=2),), **unused)) is None


@given(runs(), st.integers(60, 200))
def test_it_fits_its_width(facts: RunFacts, width: int) -> None:
    shown = table_of_tests(usage_document(facts), width=width, color=False)
    assert all(cell_len(line) <= width for line in shown.split("\n"))


@pytest.mark.parametrize("width", [80, 120])
def test_a_long_name_is_shortened_and_no_figure_is(width: int) -> None:
    heading, line = table(width, attempts=(attempt(nodeid="tests/test_x.py::test_" + "y" * width),))
    assert heading.split() == ["test", "used", "budget", "cost", "sessions", "verdict"]
    assert line.split()[1:] == ["3.00s", "10.00s", "$0.0038", "1", "within"]


def test_no_colour_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in "".join(table(**OVERRUN))
    colourful = "".join(table(color=True, **OVERRUN))
    assert "\x1b[31m" in colourful
    assert "\x1b[31m" not in "".join(table(color=True))


def test_a_name_is_text_and_no_markup() -> None:
    assert table(attempts=(attempt(nodeid="t.py::test[red]"),))[1].startswith("t.py::test[red] ")


# Costs


def statement(verdict: str) -> dict[str, Any]:
    return {"verdict": verdict, "lines": [{"request_id": "r", "nodeid": "test_x.py::test", "vendor_usd": 0.004}]}


@pytest.mark.parametrize(
    ("fields", "cost", "line"),
    [
        ({}, "$0.0038", None),
        ({"sessions": (session(estimated=1),)}, "~$0.0038", "cost: ~ is an estimate, the highest that it may be"),
        ({"reconciliation": statement("inconclusive")}, "$0.0038", None),
        ({"reconciliation": statement("reconciled")}, "vendor $0.0040", "cost: vendor is what the statement has"),
        (
            {"reconciliation": statement("reconciled"), "sessions": (session(estimated=1),)},
            "vendor $0.0040",
            "cost: vendor is what the statement has",
        ),
    ],
    ids=["measured", "estimated", "not reconciled", "the vendor's", "the vendor's of an estimate"],
)
def test_a_cost_says_whose_it_is_and_a_line_explains_the_mark(
    fields: dict[str, Any], cost: str, line: str | None
) -> None:
    assert f"10.00s  {cost}  " in table(**fields)[1]
    said = cost_line(document(**fields))
    assert (said or "").startswith(line or "")
    assert (said is None) == (line is None)


# The run's line


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "used 3.00s of 60.00s [#...................] 5% in 1 session (live, billed); verdict: within"),
        (
            {"target": "emulator", "billed": False, "invocations": (invocation(budget_ms=None),)},
            "used 3.00s in 1 session, no run budget (emulator, not billed); verdict: within",
        ),
        (
            {"invocations": (invocation(budget_ms=2000),), "leases": (lease(allowance_ms=2000),)},
            "used 3.00s of 2.00s [####################] 100% in 1 session (live, billed); verdict: overrun; "
            "1.00s beyond what was set aside",
        ),
        (
            {"leases": (lease(how="orphaned", ended_ms=10_000, ended_micro_usd=12_500),), "sessions": ()},
            "used 10.00s of 60.00s [###.................] 17% in 0 sessions (live, billed); verdict: within; "
            "10.00s ($0.0125) at risk (charged but not metered)",
        ),
        (
            {"invocations": (invocation(cost_budget_micro_usd=500_000),)},
            "used 3.00s of 60.00s [#...................] 5%, $0.0038 of $0.50 in 1 session (live, billed); "
            "verdict: within",
        ),
        (
            {
                "invocations": (invocation(budget_ms=None, cost_budget_micro_usd=7600),),
                "sessions": (session(estimated=1),),
            },
            "used 3.00s, ~$0.0038 of $0.0076 [##########..........] 50% in 1 session (live, billed); verdict: within",
        ),
        (
            {
                "invocations": (invocation(budget_ms=None, cost_budget_micro_usd=7600),),
                "leases": (lease(ended_micro_usd=None),),
            },
            "used 3.00s, unknown of $0.0076 in 1 session (live, billed); verdict: within",
        ),
        (
            {"invocations": (invocation(budget_ms=0),), "attempts": (), "leases": (), "sessions": ()},
            "used 0.00s of 0.00s [####################] 100% in 0 sessions (live, billed); verdict: within",
        ),
    ],
    ids=["billed", "emulated", "overshoot", "at risk", "both budgets", "money", "no price", "nothing allowed"],
)
def test_the_runs_line(fields: dict[str, Any], line: str) -> None:
    assert run_line(document(**fields)) == line


def test_warnings_have_lines_of_their_own_but_what_the_header_of_a_live_run_has_said() -> None:
    fields = {"invocations": (invocation(budget_ms=3500, prices_as_of="2026-01-01"),)}
    nearly = "86% of the run budget of 3.5s is used: 3s"
    assert warning_lines(document(**fields)) == [nearly]
    assert "] 86% in " in run_line(document(**fields))
    emulated = warning_lines(document(**fields, target="emulator", billed=False))
    assert (emulated[0], len(emulated)) == (nearly, 2)
    assert emulated[1].startswith("the prices are 305 days old (2026-01-01)")


@given(runs())
def test_any_run_has_its_line(facts: RunFacts) -> None:
    made = usage_document(facts)
    assert f"verdict: {made['run']['verdict']}" in run_line(made)
    assert "\n" not in run_line(made)


# Who waited


def test_the_longest_wait_is_shown_with_what_to_change() -> None:
    other = attempt(id="b", nodeid="other", waited_ms=2500, waited_for="project-place")
    assert longest_wait(document(attempts=(attempt(waited_ms=1500, waited_for="run"), other))) == (
        "other waited 2.5s, unbilled, for a free place of the project, which this and other runs held: "
        "raise sessions of [project] in dgbudget.toml, or run fewer workers"
    )


def test_a_wait_of_which_a_ledger_of_an_earlier_version_says_no_more_is_shown_as_well() -> None:
    waited = longest_wait(document(attempts=(attempt(waited_ms=1500),)))
    assert waited is not None
    assert "waited 1.5s, unbilled, for budget or a free place: raise the run budget (--dg-budget" in waited


@pytest.mark.parametrize("attempts", [(), (attempt(),), (attempt(waited_ms=999),)], ids=["none", "no wait", "short"])
def test_a_wait_of_under_a_second_is_not_worth_a_line(attempts: Any) -> None:
    assert longest_wait(document(attempts=attempts, leases=(), sessions=())) is None
