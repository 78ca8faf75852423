"""What is shown of turns."""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.plugin.junit import attempt_properties
from pytest_dgbudget.report.html.page import usage_page
from pytest_dgbudget.report.shown_turns import MARKS, marked_turns
from pytest_dgbudget.report.table_cells import latency_line
from pytest_dgbudget.rules.turn_figures import MarkedTurns
from tests.support.markup import ReadPage
from tests.support.pages import ordinary


def test_terminal_page_and_junit_show_each_mark_that_turns_may_have() -> None:
    assert MARKS.keys() == MarkedTurns.__annotations__.keys()
    document: Any = ordinary()
    marks = {mark: number for number, mark in enumerate(MARKS, 2)}
    for test in document["tests"]:
        test["marked_turns"] = dict.fromkeys(MARKS, 0)
    document["tests"][0]["marked_turns"] = marks
    shown = ", ".join(f"{marks[mark]} {words}" for mark, words in MARKS.items())
    assert latency_line(document) == f"p50/p95: * has marked turns ({shown})"
    assert shown in ReadPage(usage_page(document)).text
    properties = attempt_properties({**document["tests"][0], "request_ids": []})
    assert [value for name, value in properties if name.startswith("dgbudget.turns_")] == ["2", "3", "4", "5", "6"]


def test_marks_of_several_are_added_up_and_those_of_earlier_versions_are_none() -> None:
    document: Any = ordinary()
    one, two, old = document["tests"][:3]
    one["marked_turns"] = {**dict.fromkeys(MARKS, 0), "overlapped": 1_200}
    two["marked_turns"] = {**dict.fromkeys(MARKS, 0), "overlapped": 34}
    del old["marked_turns"]
    assert marked_turns([one, two, old]) == ["1,234 overlapped"]
