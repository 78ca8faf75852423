"""How the run compares with earlier ones."""

from __future__ import annotations

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.elements import Markup
from pytest_dgbudget.report.html.parts import Cell, Column, Row, badge, listed, muted, named, paragraph, section, table
from pytest_dgbudget.report.html.sentences import sentence
from pytest_dgbudget.report.regression_figures import ComparedFigure, Contributor, RegressionFigures
from pytest_dgbudget.units import counted

_COMPARED = (
    Column("Figure"),
    Column("Usual", True),
    Column("Both runs", True, "This run and the one before it, on average: one run alone differs too much by chance"),
    Column("Change", True),
    Column("Allowed", True, "A greater change is a regression"),
    Column("Verdict"),
)
_CONTRIBUTORS = (
    Column("Test"),
    Column("Figure"),
    Column("Usual", True),
    Column("This run", True),
    Column("Change", True),
)


def regression_section(document: UsageDocument) -> Markup:
    """Return the comparison, with the tests that contribute to what has changed."""
    regression = document.get("regression")
    if regression is None or regression["verdict"] == "off":
        return section("regression", "Regression", paragraph("This run was not compared with earlier ones."))
    return section("regression", "Regression", *_compared(regression))


def _compared(regression: RegressionFigures) -> list[Markup | None]:
    basis = f"{counted(regression['tests'], 'test')} of this run and of {counted(regression['runs'], 'earlier run')}"
    rows = [
        *_figure("Spend", regression["spend"]),
        *_figure("Median turn latency", regression["latency"]),
    ]
    return [
        listed(map(sentence, regression["sentences"])),
        table("compared", "This run and the one before it, against what is usual", _COMPARED, rows) if rows else None,
        _contributors(regression["contributors"]),
        muted(f"Compared over {basis}.") if regression["runs"] else None,
    ]


def _figure(name: str, compared: ComparedFigure | None) -> list[Row]:
    if compared is None:
        return []
    verdict = badge("bad", "regression") if compared["regressed"] else badge("good", "as usual")
    change = figures.change(compared["change"])
    return [
        Row(
            (
                Cell(name),
                Cell(figures.time(compared["usual_seconds"])),
                Cell(figures.time(compared["now_seconds"])),
                Cell(change),
                Cell(figures.change(compared["limit"])),
                Cell(verdict),
            )
        )
    ]


def _contributors(contributors: list[Contributor]) -> Markup | None:
    if not contributors:
        return None
    return table("contributors", "Tests that took longer than usual", _CONTRIBUTORS, [*map(_contributor, contributors)])


def _contributor(each: Contributor) -> Row:
    return Row(
        (
            Cell(named(each["nodeid"])),
            Cell(each["figure"]),
            Cell(figures.time(each["usual_seconds"]), each["usual_seconds"]),
            Cell(figures.time(each["now_seconds"]), each["now_seconds"]),
            Cell(figures.change(each["change"]), each["change"]),
        )
    )
