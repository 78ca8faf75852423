"""Bars for long work: on a terminal alone, never with ``--json``, gone at the end, and in nobody's way."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from pytest_dgbudget.cli.bars import Bars, Shown, no_bars, shown_bars

SHOWS_CURSOR, CLEARS_LINE = "\x1b[?25h", "\x1b[2K"


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> FakeTerminal:
    """Have stderr be one; within a test, since pytest sets stderr anew before it."""
    terminal = FakeTerminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    return terminal


def work(shown: Shown) -> None:
    with shown as bars:
        done = bars.begin("counting sheep", 2)
        for number in (1, 2):
            done(number)


def test_a_terminal_is_shown_a_bar_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    work(shown_bars())
    shown = terminal.getvalue()
    assert "counting sheep" in shown
    assert "100%" in shown
    assert shown.endswith(CLEARS_LINE)


@pytest.mark.parametrize("shown", [no_bars, lambda: shown_bars(after_seconds=60.0)], ids=["--json", "short work"])
def test_nobody_is_shown_what_nobody_needs(monkeypatch: pytest.MonkeyPatch, shown: Callable[[], Shown]) -> None:
    terminal = on_terminal(monkeypatch)
    work(shown())
    assert terminal.getvalue() == ""


def test_where_there_is_no_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    work(shown_bars())
    assert capsys.readouterr() == ("", "")


def test_without_a_stderr_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    work(shown_bars())


def test_what_is_written_meanwhile_goes_to_its_own_stream(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = on_terminal(monkeypatch)
    with shown_bars() as bars:
        done = bars.begin("counting sheep", None)
        with bars.put_aside():
            before = terminal.getvalue()
            sys.stdout.write("a result\n")
            assert terminal.getvalue() == before
        done(1, 3, "counting goats")
        sys.stdout.write("another\n")
    assert capsys.readouterr().out == "a result\nanother\n"
    assert "counting goats" in terminal.getvalue()[len(before) :]


def test_an_error_takes_the_bar_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)

    def fail(bars: Bars) -> None:
        bars.begin("counting sheep", None)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), shown_bars() as bars:
        fail(bars)
    assert SHOWS_CURSOR in terminal.getvalue()
