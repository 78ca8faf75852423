"""usage.md: what matters most comes first, and whatever names a run has, the page stays what it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.markdown import usage_markdown
from pytest_dgbudget.report.markdown_text import LONGEST_NAME, in_code, in_text
from pytest_dgbudget.report.merging import merge
from pytest_dgbudget.report.plain_text import cut, harmless
from tests.support.hostile import ANY_TEXT, TEXTS, hostile_report, long_report
from tests.support.markdown import inline, parsed, structure, text_of
from tests.support.shards import changed, line, reconciliation, report, shards

LIMIT = 64 * 1024
GAP = "\u200b"


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of the page's only table, its head included."""
    rows: list[list[str]] = []
    tokens = parsed(page)
    for position, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"td_open", "th_open"}:
            children = tokens[position + 1].children
            assert children is not None
            rows[-1].append(text_of(children))
    return rows


def headings_of(page: str) -> list[str]:
    tokens = parsed(page)
    return [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]


def items_of(page: str) -> list[str]:
    tokens = parsed(page)
    return [tokens[i + 2].content for i, token in enumerate(tokens) if token.type == "list_item_open"]


def with_overrun(document: UsageDocument, number: int = 0, **fields: Any) -> UsageDocument:
    entry: Any = document["tests"][number]
    overrun = {"scope": "test", "currency": "time", "label": "", "used": 9.9, "allowed": 10.0}
    entry.update(
        {"verdict": "overrun", "failing": True, "cut": True, "outcome": "failed", "overrun": overrun, **fields}
    )
    return changed(document, "run", verdict="overrun", failing=True)


# What it says


def test_the_verdict_and_whether_it_was_billed_come_first_and_then_the_budget() -> None:
    head, _, budget, *_ = usage_markdown(report("run", "a")).splitlines()
    assert head == "### Voice agent budget: **within** (live, billed)"
    assert "used 3.00s of 60.00s" in budget
    assert "[#" in text_of(next(inline(parsed(budget))))
    emulated = changed(report("run", "a"), "run", target="emulator", billed=False)
    assert usage_markdown(emulated).startswith("### Voice agent budget: **within** (emulator, not billed)\n")


def test_a_run_without_sessions_is_one_line() -> None:
    emulated = changed(report("run"), "run", target="emulator", billed=False, bypass="refused")
    page = usage_markdown(changed(emulated, "reconciliation", verdict="reconciled"))
    assert "no test asked for a session (emulator, nothing used of 60.00s)" in page
    assert headings_of(page) == ["Voice agent budget: **within** (emulator, not billed)"]


def test_an_overrun_is_named_with_its_figures_and_what_to_do() -> None:
    page = usage_markdown(with_overrun(report("run", "a", "b")))
    assert "`test_x.py::test_a`: test budget of 10s used up, 9.9s used; raise it by marker" in page
    assert rows_of(page)[1][-1] == "overrun, cut"


def test_an_overrun_that_a_mark_expected_says_so_and_comes_after_those_that_fail() -> None:
    document = with_overrun(with_overrun(report("run", "a", "b"), outcome="xfailed", failing=False), 1)
    first, second = items_of(usage_markdown(document))[:2]
    assert first.startswith("`test_x.py::test_b`")
    assert second.startswith("`test_x.py::test_a`")
    assert second.endswith("(expected)")


def test_what_is_wrong_with_the_run_is_said_however_many_tests_overran() -> None:
    document = report("run", *map(str, range(25)))
    for number in range(25):
        document = with_overrun(document, number)
    items = items_of(usage_markdown(changed(document, "run", complete=False)))
    assert "and 5 more, all in usage.json" in items
    assert any("never said that it finished" in item for item in items)


def test_what_needs_attention_comes_before_the_tests_and_nothing_is_named_without_need() -> None:
    calm = usage_markdown(report("run", "a"))
    assert "Needs attention" not in calm
    document: Any = changed(report("run", "a"), "run", complete=False)
    document["reconciliation"] = reconciliation(line("a", **{"class": "missing-at-vendor"}), verdict="discrepancy")
    document["sessions"][0]["closed_by"] = "teardown"
    page = usage_markdown(document)
    assert headings_of(page)[1:] == ["Needs attention", "Dearest tests", "Reconciliation"]
    incomplete, disagrees, leak = items_of(page)[:3]
    assert "never said that it finished" in incomplete
    assert "disagree: see the reconciliation" in disagrees
    assert "1 session was left open by its test" in leak
    assert "but it is not in the statement" in page


def test_the_dearest_tests_come_first_and_the_rest_is_summed() -> None:
    document = report("run", *map(str, range(30)))
    entry: Any = document["tests"][25]
    entry.update(used_seconds=9.0)
    rows = rows_of(usage_markdown(document))
    assert rows[1][0] == "test_x.py::test_25"
    assert len(rows) == 1 + 20 + 1
    assert rows[-1][:2] == ["and 10 more tests", "30.00s"]


def test_what_was_emulated_in_a_live_run_is_never_summed_with_it() -> None:
    document = report("run", *map(str, range(30)))
    for test in document["tests"][28:]:
        test["target"] = "emulator"
    names = [row[:2] for row in rows_of(usage_markdown(document))[-2:]]
    assert names == [["and 8 more tests", "24.00s"], ["and 2 more tests (emulator)", "6.00s"]]


def test_i7_what_is_not_known_is_no_zero() -> None:
    document = report("run", "a")
    entry: Any = document["tests"][0]
    entry.update(used_seconds=None, cost_usd=None)
    head, row = rows_of(usage_markdown(document))
    assert [row[head.index(figure)] for figure in ("used", "cost")] == ["-", "-"]


def test_regressions_are_named_with_the_tests_that_they_come_from() -> None:
    document: Any = report("run", "a")
    dearer = {"nodeid": "t", "figure": "spend", "usual_seconds": 3.0, "now_seconds": 6.0, "change": 1.0}
    document["regression"] = {
        "verdict": "regression",
        "runs": 5,
        "tests": 1,
        "spend": None,
        "latency": None,
        "contributors": [dearer],
        "sentences": ["it is dearer"],
    }
    page = usage_markdown(document)
    assert "sessions or turns took longer than in earlier runs" in page
    assert items_of(page)[-2:] == ["it is dearer", "`t`: spend 3.00s → 6.00s (+100%)"]
    document["regression"]["verdict"] = "off"
    assert "earlier" not in usage_markdown(document)


def test_that_a_suite_is_too_small_to_be_compared_is_no_news() -> None:
    reason = "2 tests of this run can be compared"
    regression = {"verdict": "too-few-runs", "runs": 0, "contributors": [], "sentences": [reason]}
    small, larger = ({**report("run", *names), "regression": regression} for names in ("ab", "abc"))
    assert "earlier runs" not in usage_markdown(small)  # type: ignore[arg-type]
    assert reason in usage_markdown(larger)  # type: ignore[arg-type]


def test_a_report_of_an_earlier_version_is_rendered() -> None:
    document: Any = report("run", "a")
    for field in ("regression", "history"):
        del document[field]
    for field in ("turns", "latency_p50_ms", "latency_p95_ms"):
        del document["run"][field]
    for entry in (*document["tests"], *document["sessions"]):
        for field in ("marked_turns", "vendor_latency"):
            entry.pop(field, None)
    assert "Dearest tests" in usage_markdown(document)


def test_a_merged_report_has_a_line_for_each_run_and_tells_their_tests_apart() -> None:
    page = usage_markdown(merge([("a", report("one", "a")), ("b", report("two", "a2"))]))
    assert "Runs" in headings_of(page)
    assert [item.partition(":")[0] for item in items_of(page)[:2]] == ["`one`", "`two`"]


# What others' words may do to it


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_changes_the_page(text: str) -> None:
    page, calm = usage_markdown(hostile_report(text)), usage_markdown(hostile_report("calm"))
    assert structure(page) == structure(calm)
    assert len(page.encode()) < LIMIT
    assert all(each == "\n" or each.isprintable() for each in page)


@given(ANY_TEXT)
@example("5) a")
@example("=")
def test_any_text_is_an_item_of_a_list_as_it_is(text: str) -> None:
    tokens = parsed(f"- {in_text(text)}\n")
    assert [token.type for token in tokens if token.type != "inline"] == [
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
        "paragraph_close",
        "list_item_close",
        "bullet_list_close",
    ]
    (children,) = inline(tokens)
    assert {each.type for each in children} <= {"text", "text_special"}
    shown = cut(harmless(text).strip(), 1000)
    assert text_of(children).replace(GAP, "") == (shown or "(blank)")


@given(ANY_TEXT, st.booleans())
def test_any_name_is_one_cell_of_a_table_as_it_is(text: str, is_last: bool) -> None:
    cells = ["a", in_code(text)] if is_last else [in_code(text), "a"]
    _, row = rows_of(f"| a | b |\n|---|---|\n| {' | '.join(cells)} |\n")
    assert row[int(is_last)].strip() == cut(harmless(text), LONGEST_NAME).strip()
    assert row[int(not is_last)] == "a"


@pytest.mark.parametrize("name", ["name ", "|" * 500, "\U0001f600" * 500, "\x1b" * 500])
def test_it_is_under_64_kib_whatever_the_size_and_says_where_it_is_cut_short(name: str) -> None:
    page = usage_markdown(long_report(2000, name))
    assert len(page.encode()) < LIMIT
    assert "1,980 more" in page or "cut short" in page
    structure(page)


@given(shards())
def test_any_report_makes_a_page(documents: list[UsageDocument]) -> None:
    for document in documents:
        structure(usage_markdown(document))
    structure(usage_markdown(merge([(str(number), each) for number, each in enumerate(documents)])))
