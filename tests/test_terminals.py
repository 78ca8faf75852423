"""Which terminals are drawn on."""

from __future__ import annotations

import os

import pytest

from pytest_dgbudget.terminals import can_be_drawn, is_foreground


def test_only_a_terminal_is_drawn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    controller, inner = os.openpty()
    with os.fdopen(inner, "w") as terminal, open(os.devnull, "w") as log:  # noqa: PTH123
        assert can_be_drawn(terminal)
        assert not can_be_drawn(log)
        assert not is_foreground(log.fileno())
        monkeypatch.setenv("TERM", "dumb")
        assert not can_be_drawn(terminal)
        monkeypatch.delenv("TERM")
        assert not can_be_drawn(terminal)
    assert not can_be_drawn(None)
    os.close(controller)
