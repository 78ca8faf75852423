"""What is used so far beside pytest's own progress: drawn below it, or a line now and then."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest._io import TerminalWriter
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.control import real_time
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.plugin import figure_below
from pytest_dgbudget.plugin.figure_below import FigureBelow
from pytest_dgbudget.plugin.figure_in_log import FigureInLog
from pytest_dgbudget.plugin.live_figure import LiveFigure
from pytest_dgbudget.protocol.operations import Progress
from pytest_dgbudget.rules.progress_lines import ProgressLines
from tests.support.screen import Screen

PROGRESS = Progress(
    used_seconds=150.0, used_usd=0.1875, at_risk_seconds=30.0, at_risk_usd=0.0375, open_sessions=3, waiting=0
)
COLUMNS, ROWS = 80, 10


def run_config() -> RunConfig:
    here = Path("/nowhere")
    return resolve(command_line={"dg_budget": "10m"}, environment={}, ini={}, rootdir=here, current_dir=here)


STATE: Any = SimpleNamespace(run_config=run_config())


# Drawn ----------------------------------------------------------------------------------------------------------------


class Drawn:
    """A figure below what pytest's writer writes, in a terminal in whose foreground we are."""

    def __init__(self) -> None:
        self._controller, inner = os.openpty()
        self._stream = os.fdopen(inner, "w", encoding="utf-8")
        self.writer = TerminalWriter(self._stream)
        self.writer.fullwidth = COLUMNS
        self.figure = FigureBelow(self.writer, os.ttyname(inner), STATE)
        self.written = ""

    def seen(self) -> Screen:
        """Return the screen with all that was written by now."""
        os.write(self._stream.fileno(), b"\x05")
        written = b""  # a part may end within a character
        while not written.endswith(b"\x05"):
            written += os.read(self._controller, 65536)
        self.written += written[:-1].decode()
        return Screen(COLUMNS, ROWS).write(self.written)

    def close(self) -> None:
        self.figure.end()
        self._stream.close()
        os.close(self._controller)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drawn]:
    monkeypatch.setattr(figure_below, "is_foreground", lambda _: True)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((COLUMNS, ROWS)))
    shown = Drawn()
    yield shown
    shown.close()


def test_it_stands_below_the_line_that_pytest_is_writing(drawn: Drawn) -> None:
    drawn.writer.write("test_x.py ..", flush=True)
    drawn.figure.show(PROGRESS)
    assert drawn.seen().text == [
        "test_x.py ..",
        " dgbudget (emulator): 2m30s of 10m, $0.1875 [#....] 25%; 3 open, at risk 30s",
    ]
    drawn.writer.write(".", flush=True)
    assert drawn.seen().text[0] == "test_x.py ..."
    assert "dgbudget" in drawn.seen().text[1]
    drawn.figure.end()
    assert drawn.seen().text == ["test_x.py ..."]


def test_it_is_erased_before_pytest_writes_and_drawn_when_that_is_written_out(drawn: Drawn) -> None:
    drawn.figure.show(PROGRESS)
    drawn.writer.write("not yet flushed")
    drawn.figure.show(PROGRESS)
    assert drawn.seen().text == []
    drawn.writer.flush()
    assert drawn.seen().text[0] == "not yet flushed"
    assert "dgbudget" in drawn.seen().text[1]


WRITTEN = st.lists(
    st.one_of(
        st.text("abc .é日", max_size=COLUMNS + 5).map(lambda text: ("write", text)),
        st.text("abc .é日", max_size=COLUMNS + 5).map(lambda text: ("line", text)),
        st.integers(0, 2 * COLUMNS).map(lambda count: ("write", "-" * count + "日" * COLUMNS)),
        st.sampled_from([("flush", ""), ("show", ""), ("show", ""), ("hide", "")]),
    ),
    max_size=30,
)


@given(WRITTEN)
def test_pytests_output_is_what_it_is_without_it(written: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(figure_below, "is_foreground", lambda _: True)
        monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((COLUMNS, ROWS)))
        drawn, plain = Drawn(), io.StringIO()
        for what, text in written:
            if what in ("write", "line"):
                getattr(drawn.writer, what)(text)
                plain.write(text + "\n" * (what == "line"))
            elif what == "show":
                drawn.figure.show(PROGRESS)
            else:
                getattr(drawn.writer if what == "flush" else drawn.figure, what)()
        drawn.figure.end()
        drawn.writer.flush()
        assert drawn.seen().text == Screen(COLUMNS, ROWS).write(plain.getvalue().replace("\n", "\r\n")).text
        drawn.close()


def test_where_a_wide_character_did_not_fit_the_end_of_the_line_is_known(drawn: Drawn) -> None:
    text = "-" * (COLUMNS - 1) + "日" * (COLUMNS // 2)  # the second line is full as well
    drawn.writer.write(text, flush=True)
    drawn.figure.show(PROGRESS)
    drawn.writer.write("end", flush=True)
    assert drawn.seen().text[:3] == ["-" * (COLUMNS - 1), "日" * (COLUMNS // 2), "end"]


def test_it_is_as_wide_as_the_terminal_is_now(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn.figure.show(PROGRESS)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((20, ROWS)))
    drawn.writer.line("narrow")
    drawn.writer.flush()
    assert drawn.seen().text == ["narrow", "", " emulator: 2m30s o"]
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    drawn.writer.line("of no known width")
    drawn.writer.flush()
    assert drawn.seen().text == ["narrow", "of no known width"]


@pytest.mark.parametrize(("markup", "sequence"), [(True, "\033[7m dgbudget"), (False, "\033[B\r dgbudget")])
def test_it_is_reversed_where_pytest_has_markup(drawn: Drawn, markup: bool, sequence: str) -> None:
    drawn.writer.hasmarkup = markup
    drawn.figure.show(PROGRESS)
    drawn.seen()
    assert sequence in drawn.written
    assert ("\033[7m" in drawn.written) == markup


def test_in_the_background_nothing_is_drawn_and_nothing_erased(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_below, "is_foreground", lambda _: False)
    drawn.figure.show(PROGRESS)
    assert drawn.seen().text == []
    monkeypatch.setattr(figure_below, "is_foreground", lambda _: True)
    drawn.figure.show(PROGRESS)
    monkeypatch.setattr(figure_below, "is_foreground", lambda _: False)
    drawn.seen()
    before = drawn.written
    drawn.figure.end()
    drawn.seen()
    assert drawn.written == before


def test_its_stream_is_as_it_was_at_the_end_and_ending_twice_is_harmless(drawn: Drawn) -> None:
    drawn.figure.show(PROGRESS)
    assert "write" in vars(drawn.writer._file)
    drawn.figure.end()
    drawn.figure.end()
    assert not {"write", "flush"} & vars(drawn.writer._file).keys()


def test_what_somebody_else_has_put_over_it_stays(drawn: Drawn) -> None:
    drawn.figure.show(PROGRESS)
    stream: Any = drawn.writer._file
    ours = stream.write
    stream.write = lambda text: ours(text.upper())
    drawn.figure.end()
    drawn.writer.write("text", flush=True)
    assert drawn.seen().text == ["TEXT"]


def test_a_forked_child_writes_and_touches_nothing_of_it(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn.figure.show(PROGRESS)
    monkeypatch.setattr(figure_below, "_getpid", lambda: -1)
    held = threading.Thread(target=drawn.figure._lock.acquire)  # as another thread may when a process forks
    held.start()
    held.join()
    drawn.writer.line("of a child")
    drawn.writer.flush()
    assert "of a child" in drawn.seen().text[0]
    drawn.figure._lock = threading.RLock()


# In a log -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "due"),
    [
        ([(59, 1, 0.5), (60, 1, 0.5)], [60]),
        ([(60, 1, 0.2), (70, 1, 0.25), (80, 1, 0.49), (140, 1, 0.51), (300, 2, 0.6)], [70, 140]),
        ([(299, 1, None), (300, 1, None), (600, 1, None), (700, 2, None)], [300, 700]),
        ([(300, 0, None)], []),
    ],
    ids=["a minute", "quarters", "five minutes", "nothing used"],
)
def test_a_line_is_due_when_a_quarter_is_used_or_after_five_minutes(
    looks: list[tuple[float, float, float | None]], due: list[float]
) -> None:
    lines = ProgressLines(0.0)
    assert [now for now, used, share in looks if lines.is_due(now, used, share)] == due


def test_a_line_is_written_after_a_test_once(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pytester.parseconfigure()
    output = io.StringIO()
    reporter = pytest.TerminalReporter(config, output)
    figure = FigureInLog(reporter, STATE)
    monkeypatch.setattr(real_time, "seconds", lambda: 0.0)
    figure.show(PROGRESS)
    monkeypatch.setattr(real_time, "seconds", lambda: 100.0)
    reporter.write("..")
    figure.show(PROGRESS)
    for _ in range(2):
        config.hook.pytest_runtest_logfinish(nodeid="a", location=("a", 0, "a"))
    assert output.getvalue() == (
        "..\ndgbudget (emulator): 2m30s of 10m, $0.1875 [#....] 25%; 3 open, at risk 30s ($0.0375)\n"
    )


# When it begins and ends ----------------------------------------------------------------------------------------------


class Looked:
    """What was done with a way of showing that is looked at all the time."""

    every_seconds = 0.001

    def __init__(self) -> None:
        self.has_shown = threading.Event()
        self.hidden = self.ended = 0

    def show(self, progress: Progress) -> None:
        self.has_shown.set()

    def hide(self) -> None:
        self.hidden += 1

    def end(self) -> None:
        self.ended += 1


class Gateway:
    """One that fails at first, and then answers."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, _: object) -> Progress:
        self.asked += 1
        if self.asked == 1:
            raise GatewayError("it is gone")
        return PROGRESS


def test_it_goes_on_from_the_gateways_start_to_the_end_of_the_tests() -> None:
    shown, gateway = Looked(), Gateway()
    figure, run = LiveFigure(shown), SimpleNamespace(gateway=gateway)
    figure.begin(run)  # type: ignore[arg-type]
    figure.begin(run)  # type: ignore[arg-type]
    assert shown.has_shown.wait(10)
    figure.pytest_sessionfinish()
    figure.stop()
    asked = gateway.asked
    shown.has_shown.clear()
    assert not shown.has_shown.wait(0.05)
    assert (gateway.asked, shown.ended) == (asked, 1)


def test_where_no_gateway_starts_nothing_is_done() -> None:
    shown = Looked()
    LiveFigure(shown).stop()
    assert shown.ended == 0


def test_while_a_debugger_is_open_it_is_hidden() -> None:
    shown = Looked()
    figure = LiveFigure(shown)
    figure.pytest_enter_pdb()
    figure._look(SimpleNamespace(gateway=SimpleNamespace(ask=lambda _: PROGRESS)))  # type: ignore[arg-type]
    assert (shown.hidden, shown.has_shown.is_set()) == (1, False)
    figure.pytest_leave_pdb()
    figure._look(SimpleNamespace(gateway=SimpleNamespace(ask=lambda _: PROGRESS)))  # type: ignore[arg-type]
    assert shown.has_shown.is_set()


def test_a_debugger_waits_until_what_is_being_shown_is_there_to_be_hidden() -> None:
    class Slow(Looked):
        def show(self, progress: Progress) -> None:
            self.enters = threading.Thread(target=figure.pytest_enter_pdb)
            self.enters.start()
            self.enters.join(0.05)
            assert self.hidden == 0

    shown = Slow()
    figure = LiveFigure(shown)
    figure._look(SimpleNamespace(gateway=SimpleNamespace(ask=lambda _: PROGRESS)))  # type: ignore[arg-type]
    shown.enters.join(10)
    assert shown.hidden == 1
