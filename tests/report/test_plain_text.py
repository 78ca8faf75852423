"""Texts of others are harmless wherever they are shown."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.report.csv_text import Cell, csv_text
from pytest_dgbudget.report.plain_text import harmless, with_harmless_texts
from pytest_dgbudget.report.text_table import TextTable, markdown_of, text_of

HOSTILE = "\x1b[2J\x00\u202e<script>\ud800]]>\r\n|`*=1+1"


def read(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text, newline=""), strict=True))


def cells(*values: Cell) -> list[str]:
    names = [str(number) for number in range(len(values))]
    return read(csv_text(names, [dict(zip(names, values, strict=True))]))[1]


@given(st.text())
def test_what_is_harmless_can_be_printed_and_encoded(text: str) -> None:
    shown = harmless(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert shown == text or not text.isprintable()


def test_what_a_terminal_obeys_is_replaced_and_the_rest_is_not() -> None:
    assert harmless(HOSTILE) == r"\x1b[2J\x00\u202e<script>\ud800]]>\r\n|`*=1+1"
    assert harmless("tests/ünï.py::test_ok[…]") == "tests/ünï.py::test_ok[…]"


def test_each_text_of_a_document_is_made_harmless() -> None:
    document = {"run": {"id": "\x1b", "n": 1.5}, "tests": [{"nodeid": "a\x00", "ok": None}], "notices": ["\u202e"]}
    assert with_harmless_texts(document) == {
        "run": {"id": r"\x1b", "n": 1.5},
        "tests": [{"nodeid": r"a\x00", "ok": None}],
        "notices": [r"\u202e"],
    }


# CSV ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", " =", "\t=", "\r="])
def test_a_text_is_no_formula(beginning: str) -> None:
    (cell,) = cells(f"{beginning}cmd|' /C calc'!A0")
    assert cell[0] in "'\\"


def test_numbers_are_as_they_are() -> None:
    assert cells(-0.5, 1e-06, -3, 0, True, False, None) == ["-0.5", "1e-06", "-3", "0", "true", "false", ""]


@given(st.lists(st.text(), min_size=1))
def test_every_text_is_one_cell_of_one_line(texts: list[str]) -> None:
    found = cells(*texts)
    assert [cell.removeprefix("'") for cell in found] == [harmless(text).removeprefix("'") for text in texts]


def test_lines_end_as_rfc_4180_has_it_and_quotes_are_doubled() -> None:
    assert csv_text(["a", "b"], [{"a": 'say "hi", all', "b": 1}]) == 'a,b\r\n"say ""hi"", all",1\r\n'


# Tables ---------------------------------------------------------------------------------------------------------------


def table(name: str) -> TextTable:
    return TextTable("of all", ("test", "cost", "vendor"), [(name, "$1", "-"), ("t", "$10", "-")])


def test_a_table_has_no_column_in_which_nothing_is_known() -> None:
    assert list(text_of([table("tests/test_it.py")], 80)) == [
        "of all",
        "test              cost",
        "tests/test_it.py    $1",
        "t                  $10",
    ]


def test_a_hostile_name_breaks_no_table() -> None:
    lines = list(text_of([table(HOSTILE), [HOSTILE]], 80))
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 6
    markdown = markdown_of([table(HOSTILE), [HOSTILE]])
    assert "<script>" not in markdown.replace("\\<", "")
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {3}


def test_long_names_are_cut_to_80_columns() -> None:
    rows = [(f"tests/deep/folder/test_{number}.py::test_{'x' * 80}", "$1.0000", "-") for number in range(3)]
    lines = list(text_of([TextTable("", ("test", "cost", "vendor"), [(*rows[0],), ("b" * 90, "$2", "-")])], 80))
    assert max(map(len, lines)) <= 80
