"""The table of tests: which of many are shown, what the rest come to, what falls away, and names that harm nobody."""

from __future__ import annotations

from typing import Any

import pytest
import rich.console  # all of rich, or pytest's in-process runs leave it in halves
import rich.table  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.report.dearest import by_dearness, choose, summed_seconds, summed_usd
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.plain_text import harmless
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.table_cells import latency_line
from pytest_dgbudget.report.tests_table import table_of_tests
from tests.support.facts import attempt, lease, run, runs, session

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07",
    "a\0b",
    "line\nline\r\tend",
    "\u202egnirts\u2066",
    "\ud800",
    "日本語のテスト👩‍👩‍👧",
    "x" * 10_000,
    "\x9b31m\u2028",
]


def many(count: int, **fields: Any) -> UsageDocument:
    """Return a run of so many tests, each a millisecond longer and a micro-dollar dearer than the one before it."""
    numbers = range(count)
    return usage_document(
        run(
            attempts=tuple(attempt(id=f"a{n}", nodeid=f"test_x.py::test_{n}", **fields) for n in numbers),
            leases=tuple(
                lease(id=f"l{n}", attempt=f"a{n}", ended_ms=1000 + n, ended_micro_usd=1000 + n) for n in numbers
            ),
            sessions=tuple(session(id=f"s{n}", lease=f"l{n}", attempt=f"a{n}", request_id=f"r{n}") for n in numbers),
        )
    )


def table(document: UsageDocument, width: int = 80, **options: Any) -> list[str]:
    return [line.rstrip() for line in table_of_tests(document, width=width, color=False, **options).splitlines()]


# Which are shown ------------------------------------------------------------------------------------------------------


def test_of_500_tests_the_20_dearest_have_a_row_and_one_row_sums_the_others() -> None:
    heading, *rows = table(many(500))
    assert heading.split()[:2] == ["test", "used"]
    assert [row.split()[0] for row in rows[:-1]] == [f"test_x.py::test_{n}" for n in range(499, 479, -1)]
    assert rows[-1].split() == ["and", "480", "more", "tests", "594.96s", "$0.5950", "480"]
    assert len(table(many(500), most=None)) == 501


def test_who_failed_or_overran_is_shown_however_cheap_it_was_but_not_without_bound() -> None:
    document = many(100)
    document["tests"][3]["outcome"] = "failed"
    document["tests"][4]["verdict"] = "overrun"
    rows = table(document)[1:]
    assert [row.split()[0] for row in rows[20:22]] == ["test_x.py::test_4", "test_x.py::test_3"]
    assert "and 78 more tests" in rows[22]
    for test in document["tests"]:
        test["outcome"] = "failed"
    rows = table(document)[1:]
    assert len(rows) == 41
    assert rows[-1].endswith(" 1 overran, 59 failed")


def test_a_single_test_is_not_left_out() -> None:
    assert len(table(many(21))) == 22
    assert "more" not in "".join(table(many(21)))


def test_reruns_are_counted_as_attempts_and_other_targets_apart() -> None:
    document = many(30)
    document["tests"][0]["attempt"] = 2
    document["tests"][1]["target"] = "emulator"
    document["tests"][2]["target"] = "emulator"
    assert [row.split("  ")[0] for row in table(document)[-2:]] == [
        "and 8 more attempts",
        "and 2 more tests (emulator)",
    ]


@given(runs(), st.integers(0, 3))
def test_what_is_shown_and_what_the_rest_come_to_are_all_there_is(facts: RunFacts, most: int) -> None:
    document = usage_document(facts)
    chosen = choose(document, most)
    groups = [chosen.shown, *chosen.rest.values()]
    for figure, summed in (("used_seconds", summed_seconds), ("cost_usd", summed_usd)):
        parts = [summed([test[figure] for test in group]) for group in groups]  # type: ignore[literal-required]
        assert summed(parts) == summed([test[figure] for test in document["tests"]])  # type: ignore[literal-required]
    if document["run"]["target"] == "live":  # then tests with a target of their own have another
        of_run = [test["used_seconds"] for group in groups for test in group if test["target"] == "live"]
        assert summed_seconds(of_run) in (None, document["run"]["used_seconds"])


def test_dear_is_what_costs_much_live_and_ties_stay_in_their_order() -> None:
    tests = many(4)["tests"]
    for test, cost in zip(tests, (0.1, 0.2, 0.1, 0.0), strict=True):
        test.update({"cost_usd": cost, "used_seconds": 1.0, "forecast_seconds": None, "forecast_usd": None})
    tests[3]["forecast_usd"] = 0.3
    assert [test["nodeid"][-1] for test in by_dearness(tests)] == ["3", "1", "0", "2"]


def test_where_a_cost_is_unknown_time_decides() -> None:
    tests = many(3)["tests"]
    tests[2]["cost_usd"] = None
    assert [test["nodeid"][-1] for test in by_dearness(tests)] == ["2", "1", "0"]
    assert table(many(1))[1].split()[1:] == ["1.00s", "10.00s", "$0.0010", "1", "within"]


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    document = many(30)
    document["tests"][0].update({"used_seconds": None, "cost_usd": None})
    for test in document["tests"][1:]:
        test["used_seconds"] = 5.0
    assert table(document)[-1].split() == ["and", "10", "more", "tests", "-", "-", "10"]


# Latency --------------------------------------------------------------------------------------------------------------

MARKS = {"overlapped": 2, "unpaced": 0, "transcript": 1, "continued": 3, "unanswered": 0}


def with_turns(**fields: Any) -> UsageDocument:
    document = many(1)
    known: dict[str, Any] = {"turns": 3, "latency_p50_ms": 820, "latency_p95_ms": 1430}
    document["tests"][0].update({**known, **fields})  # type: ignore[typeddict-item]
    return document


def test_latencies_are_shown_where_there_are_turns_with_a_mark_and_what_it_means() -> None:
    assert "0.82/1.43s " in table(with_turns())[1]
    marked = with_turns(marked_turns=MARKS)
    assert "0.82/1.43s* " in table(marked)[1]
    assert (
        latency_line(marked)
        == "p50/p95: * has marked turns (2 overlapped, 1 measured since the transcript, 3 continued)"
    )
    assert latency_line(with_turns(marked_turns=dict.fromkeys(MARKS, 0))) is None


def test_there_are_none_where_none_was_measured_or_pace_max_has_skipped_time() -> None:
    assert "p50" not in table(many(1))[0]
    assert "p50" not in table(with_turns(forecast_seconds=30.0))[0]
    assert " - " in table(with_turns(latency_p50_ms=None, latency_p95_ms=None))[1]


def test_the_vendors_own_latencies_stand_apart() -> None:
    reported = with_turns(vendor_latency={"reports": 3, "p50_ms": 500, "p95_ms": None})
    heading, row = table(reported, 120)
    assert "p50/p95  vendor's p50/p95" in heading
    assert row.split()[4:6] == ["0.82/1.43s", "0.50/-s"]


def test_a_report_of_an_earlier_version_has_its_table() -> None:
    document = with_turns()
    for field in ("marked_turns", "vendor_latency", "vendor_usd", "estimated", "cost_budget_usd"):
        document["tests"][0].pop(field)  # type: ignore[misc]
    assert "0.82/1.43s " in table(document)[1]


# Width ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (200, "used budget cost p50/p95 vendor's p50/p95 waited sessions verdict"),
        (80, "used budget cost p50/p95 verdict"),
        (60, "used cost p50/p95 verdict"),
        (40, "used cost verdict"),
    ],
)
def test_what_falls_away_first_where_names_need_the_room(width: int, headings: str) -> None:
    document = with_turns(waited_seconds=2.0, vendor_latency={"reports": 1, "p50_ms": 500, "p95_ms": 500})
    document["tests"][0]["nodeid"] = "tests/test_x.py::test_" + "y" * 100
    assert table(document, width)[0].split()[1:] == headings.split()


@given(runs(), st.integers(1, 200))
def test_it_is_never_wider_than_its_width(facts: RunFacts, width: int) -> None:
    shown = table_of_tests(usage_document(facts), width=width, color=False)
    assert all(cell_len(line) <= max(width, 40) for line in shown.split("\n"))


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("width", [30, 80, 200])
def test_hostile_names_are_text_in_any_encoding(encoding: str, width: int) -> None:
    document = many(len(HOSTILE))
    for test, name in zip(document["tests"], HOSTILE, strict=True):
        test["nodeid"] = name
    shown = table_of_tests(document, width=width, color=False, encoding=encoding)
    shown.encode(encoding)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert all(cell_len(line) <= max(width, 40) for line in shown.split("\n"))
    assert shown.count("\n") < 120


def test_names_that_differ_in_what_nobody_sees_are_told_apart() -> None:
    document = many(2)
    document["tests"][0]["nodeid"], document["tests"][1]["nodeid"] = "t.py::a\u200bb", "t.py::ab"
    assert {row.split()[0] for row in table(document)[1:]} == {r"t.py::a\u200bb", "t.py::ab"}


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(["utf-8", "ascii", "latin-1", "utf-16"]))
def test_harmless_text_is_one_line_without_anything_to_obey(text: str, encoding: str) -> None:
    shown = harmless(text, encoding)
    shown.encode(encoding)
    assert shown.isprintable()
    assert harmless(shown, encoding) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31m\n", r"\x1b[31m\n"), ("\u202ex", r"\u202ex"), ("\ud800", r"\ud800"), ("é日", "é日")],
)
def test_what_is_harmful_becomes_its_escape(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert harmless("é日", "latin-1") == "é\\u65e5"
