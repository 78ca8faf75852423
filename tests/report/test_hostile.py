"""Whatever others' words are, each format of a report shows them as text: to people, parsers, terminals and GitHub."""

from __future__ import annotations

import csv
import json
import xml.sax
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any
from xml.dom import minidom
from xml.etree import ElementTree

import pytest
import xmlschema
from _pytest.junitxml import LogXML

from pytest_dgbudget.cli.report_formats import FORMATS, Screen, What, rendered
from pytest_dgbudget.plugin.junit import JUnitFile, attempt_properties, run_properties
from pytest_dgbudget.report.annotations import Place, workflow_commands
from pytest_dgbudget.report.merged_text import merged_text
from pytest_dgbudget.report.merging import merge
from pytest_dgbudget.report.tests_table import table_of_tests
from pytest_dgbudget.report.usage_file import usage_json
from tests.support.hostile import TEXTS, hostile_comparison, hostile_period, hostile_report
from tests.support.markdown import structure
from tests.support.markup import ReadPage
from tests.support.metrics import series
from tests.support.shards import report

DOCUMENTS: dict[What, Callable[[str], Any]] = {
    "run": cache(hostile_report),
    "comparison": cache(hostile_comparison),
    "period": cache(hostile_period),
}
SHOWN = [(what, format_) for what in DOCUMENTS for format_ in ("table", "json", *FORMATS[what])]
WIDTHS = (20, 80, 200)
of_each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def shown(what: What, text: str, format_: str, width: int = 80) -> str:
    return rendered(what, DOCUMENTS[what](text), format_, Screen(width, color=False))


def assert_harmless(page: str) -> None:
    """It can be written, and no terminal obeys it."""
    page.encode()
    assert all(line.removesuffix("\r").isprintable() for line in page.split("\n"))


def commands_in(page: str) -> list[str]:
    """Return the lines that GitHub's runner obeys, blanks before them or not."""
    return [line for line in page.split("\n") if line.lstrip().startswith("::")]


# By each format, what a program that reads it finds, whatever the words are -------------------------------------------


def table_shape(page: str) -> object:
    return commands_in(page)


def csv_shape(page: str) -> object:
    rows = [*csv.reader(StringIO(page, newline=""), strict=True)]
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if not is_number(cell) and cell.strip()[:1] in "=+-@" and cell.strip()]
    return [len(row) for row in rows]


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def html_shape(page: str) -> object:
    read = ReadPage(page)
    return read.tags, read.attributes


def metrics_shape(page: str) -> object:
    return [name for name, _ in series(page)]


SHAPES: dict[str, Callable[[str], object]] = {
    "table": table_shape,
    "csv": csv_shape,
    "md": structure,
    "html": html_shape,
    "openmetrics": metrics_shape,
}


@of_each_text
@pytest.mark.parametrize(("what", "format_"), SHOWN)
def test_what_dgbudget_report_shows_is_made_the_same_whatever_the_words(what: What, format_: str, text: str) -> None:
    page = shown(what, text, format_)
    assert_harmless(page.replace("\t", " ") if format_ == "html" else page)
    if format_ == "json":
        assert page.isascii()
        assert json.loads(page) == json.loads(json.dumps(DOCUMENTS[what](text)))
    else:
        assert SHAPES[format_](page) == calm_shape(what, format_)


@cache
def calm_shape(what: What, format_: str) -> object:
    return SHAPES[format_](shown(what, "calm", format_))


# In terminals, and in GitHub's log of one -----------------------------------------------------------------------------


@of_each_text
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_of_a_table_is_a_command_however_names_are_folded(text: str, width: int) -> None:
    document, same = hostile_report(text), hostile_report(text)
    same["tests"][1]["nodeid"] = f"{text} "  # so that no name can be cut
    for each in (document, same):
        table = table_of_tests(each, width=width, color=False)
        assert_harmless(table)
        assert commands_in(table) == []
    for what in DOCUMENTS:
        assert commands_in(shown(what, text, "table", width)) == []


@of_each_text
def test_a_merged_report_is_as_harmless(text: str) -> None:
    document = merge([("a", hostile_report(text)), ("b", report("calm", "a"))])
    page = "\n".join(merged_text(document, width=80, color=False))
    assert_harmless(page)
    assert commands_in(page) == []


@of_each_text
def test_annotations_are_the_commands_that_they_are_meant_to_be(text: str) -> None:
    lines = workflow_commands(hostile_report(text), lambda nodeid: Place(nodeid, 1))
    page = "\n".join(lines)
    assert_harmless(page)
    assert commands_in(page) == lines
    for line in lines:
        command, _, _ = line.removeprefix("::").partition("::")
        level, _, properties = command.partition(" ")
        assert level in {"error", "warning"}
        assert [each.partition("=")[0] for each in properties.split(",")] in (["file", "line", "title"], ["title"])


# Files ----------------------------------------------------------------------------------------------------------------


@of_each_text
def test_usage_json_is_ascii_and_read_back_as_it_was(text: str) -> None:
    document = hostile_report(text)
    page = usage_json(document)
    assert page.isascii()
    assert_harmless(page)
    assert json.loads(page) == document


def parse_with_etree(path: Path) -> None:
    ElementTree.parse(path)


def parse_with_minidom(path: Path) -> None:
    minidom.parse(str(path)).unlink()


def parse_with_sax(path: Path) -> None:
    xml.sax.parse(str(path), xml.sax.ContentHandler())


def parse_defused(path: Path) -> None:
    """Entities and document types are refused."""
    xmlschema.XMLResource(str(path), defuse="always")


def parse_with_lxml(path: Path) -> None:
    lxml: Any = pytest.importorskip("lxml.etree")
    lxml.parse(str(path), lxml.XMLParser(recover=False, resolve_entities=False))


PARSERS = [parse_with_etree, parse_with_minidom, parse_with_sax, parse_defused]
PARSERS += [parse_with_lxml] if find_spec("lxml") else []


@of_each_text
@pytest.mark.parametrize("where", ["testcase", "suite"])
def test_the_junit_file_is_read_by_xml_parsers(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "junit.xml"
    write_junit(path, text, where)
    for parse in PARSERS:
        parse(path)
    (case,) = ElementTree.parse(path).iter("testcase")
    assert len(case.findall("system-out")) == 1
    properties = [each.get("name", "").startswith("dgbudget.") for each in case.iter("property")]
    assert all(properties)
    assert bool(properties) == (where == "testcase")


def write_junit(path: Path, text: str, where: str) -> None:
    """Have pytest write the file of a test that failed, with this text in its name and in all of our figures."""
    document: Any = hostile_report(text)
    figures = {**document["tests"][0], "request_ids": [text], "verdict": text}
    properties = attempt_properties(figures)
    log = LogXML(str(path), None)
    log.pytest_sessionstart()
    for when in ("setup", "call", "teardown"):
        outcome: Any = "failed" if when == "call" else "passed"
        failure = text if when == "call" else None
        log.pytest_runtest_logreport(
            pytest.TestReport(f"t.py::{text}", ("t.py", 0, text), {}, outcome, failure, when, (), 0.1, 0, 0, properties)
        )
    file = JUnitFile(log)
    file.add_to_suite(run_properties(document, text))
    file.attach(f"/folder/{text}", lambda artifact: None)
    if where == "suite":
        file.write_figures_into_output()
    log.pytest_sessionfinish()
