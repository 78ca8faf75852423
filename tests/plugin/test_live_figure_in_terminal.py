"""The live figure in a real terminal: pytest's own output is what it is without it, and nothing is left behind."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.support.project import Project
from tests.support.screen import Screen
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow

COLUMNS, ROWS = 100, 30
FIGURE = "dgbudget (emulator): "
OPTIONS = ("--dg-budget=5m", "--dg-target=emulator", "--no-summary", "--dg-reconcile=off", "-p", "no:cacheprovider")
IN_TERMINAL = {"TERM": "xterm", "CI": ""}


@pytest.fixture(autouse=True)
def used(project: Project) -> None:
    project.use("live_figure/test_talks.py")


@contextmanager
def pytest_in_terminal(
    project: Project, *arguments: str, environ: Mapping[str, str] = IN_TERMINAL
) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "pytest", *OPTIONS, *arguments]
    terminal = Terminal(command, project.path, {"COLUMNS": "", **environ})
    try:
        yield terminal
    finally:
        terminal.close()


def seen(project: Project, *arguments: str, environ: Mapping[str, str] = IN_TERMINAL) -> tuple[str, list[str]]:
    """Return all that pytest wrote, and the lines that a user sees of it, without what differs from run to run."""
    with pytest_in_terminal(project, *arguments, environ=environ) as terminal:
        assert terminal.end() == 0, terminal.shown
    lines = Screen(COLUMNS, ROWS).write(terminal.shown).text
    return terminal.shown, [
        re.sub(r"=*( \S.* in )[\d.]+s.*|(\d+ passed.* in )[\d.]+s", r"\1\2", line) for line in lines
    ]


@pytest.mark.parametrize("how", ["", "-v", "-q", "-n2"])
def test_what_pytest_shows_is_the_same_with_it(project: Project, how: str) -> None:
    raw, with_figure = seen(project, *how.split())
    without_any, without = seen(project, *how.split(), environ={"TERM": "dumb"})
    assert FIGURE in raw
    assert FIGURE not in without_any
    assert with_figure == without


def test_each_line_of_xdists_own_is_there_with_it(project: Project) -> None:
    """In which order they come is chance."""
    raw, with_figure = seen(project, "-n2", "-v", "-k", "talks")
    _, without = seen(project, "-n2", "-v", "-k", "talks", environ={"TERM": "dumb"})

    def neutral(lines: list[str]) -> list[str]:
        return sorted(re.sub(r"gw\d| +\d+%", "", line) for line in lines)

    assert FIGURE in raw
    assert neutral(with_figure) == neutral(without)


def test_it_says_what_is_used_of_the_budget_with_a_bar_and_what_is_at_risk(project: Project) -> None:
    raw, _ = seen(project, "test_talks.py::test_talks[0]")
    assert re.search(r"dgbudget \(emulator\): 0\.\ds of 5m, \$0\.\d{4} \[\.{5}\] 0%; 1 open, at risk 59s \(\$", raw)


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["-s"], IN_TERMINAL),
        (["--capture=sys"], IN_TERMINAL),
        (["-qq"], IN_TERMINAL),
        ([], {**IN_TERMINAL, "CI": "true"}),
        ([], {**IN_TERMINAL, "TERM": "dumb"}),
    ],
    ids=["-s", "sys", "-qq", "CI", "dumb"],
)
def test_it_is_not_drawn_where_others_write_or_nobody_looks(
    project: Project, arguments: list[str], environ: dict[str, str]
) -> None:
    raw, _ = seen(project, *arguments, "test_talks.py::test_talks[0]", environ=environ)
    assert FIGURE not in raw


def test_nothing_is_left_behind_after_ctrl_c(project: Project) -> None:
    with pytest_in_terminal(project) as terminal:
        terminal.wait_for(FIGURE)
        terminal.type("\x03")
        assert terminal.end() == 2, terminal.shown
    assert FIGURE not in "\n".join(Screen(COLUMNS, ROWS).write(terminal.shown).text)


def test_a_debugger_has_the_terminal_for_itself(project: Project) -> None:
    project.use("live_figure/test_stops.py")
    with pytest_in_terminal(project, "--dg-idle-timeout=off", "test_stops.py") as terminal:
        terminal.wait_for("(Pdb) ")
        before = len(terminal.shown)
        terminal.type("import time; time.sleep(2.5)\n")
        terminal.wait_for("(Pdb) ")
        assert FIGURE not in terminal.shown[before:]
        terminal.type("c\n")
        terminal.wait_for(FIGURE)
        assert terminal.end() == 0
