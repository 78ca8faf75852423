"""What closed a session, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pytest_dgbudget.report.html.parts import Tone


class ClosingMark(NamedTuple):
    """What closed a session: how grave that is, the mark at its end, and the same in words."""

    tone: Tone
    mark: str
    words: str


CLOSINGS: Mapping[str | None, ClosingMark] = {
    "client": ClosingMark("good", "", "closed by its client"),
    "server": ClosingMark("note", "○", "closed by the vendor"),
    "teardown": ClosingMark("warn", "◆", "left open, closed by the teardown"),
    "test-budget": ClosingMark("bad", "■", "cut by the test budget"),
    "path-budget": ClosingMark("bad", "■", "cut by a path budget"),
    "run-budget": ClosingMark("bad", "■", "cut by the run budget"),
    "window-budget": ClosingMark("bad", "■", "cut by a window budget"),
    "idle": ClosingMark("warn", "▲", "closed as idle"),
    "owner-lost": ClosingMark("warn", "✚", "lost with a test's process"),
    "gateway-lost": ClosingMark("warn", "✚", "lost with the gateway"),
    "network": ClosingMark("bad", "✖", "lost by the network"),
    "refused": ClosingMark("bad", "✖", "refused by the vendor"),
    None: ClosingMark("note", "?", "its end was not seen"),
}


def closing_of(closed_by: str | None) -> ClosingMark:
    """Return what is shown of what closed a session; of what this version does not know, its name."""
    return CLOSINGS.get(closed_by) or ClosingMark("note", "?", str(closed_by))
