"""What a session waited for before it was dialled, in words, and what makes such waits shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dgbudget.units import format_time

if TYPE_CHECKING:  # it is loaded where something was used
    from pytest_dgbudget.model import Awaited, GivenUpWait

# Each with what to change.
_AWAITED: dict[Awaited | None, tuple[str, str]] = {
    "test": ("budget of its test, which another attempt of that test held", "raise it by marker dg_budget"),
    "path": ("budget of its path, which other tests held", "raise run of its [[path]] in dgbudget.toml, or lower test"),
    "run": (
        "budget of the run, which other tests held",
        "raise the run budget (--dg-budget, --dg-cost-budget), lower --dg-test-budget so that more tests fit at once, "
        "or run fewer workers",
    ),
    "window": (
        "budget of a window, which tests of this or of other runs held",
        "raise [window] in dgbudget.toml, lower --dg-test-budget so that more tests fit at once, or run fewer workers",
    ),
    "place": ("a free place of the run", "raise --dg-max-sessions, or run fewer workers"),
    "project-place": (
        "a free place of the project, which this and other runs held",
        "raise sessions of [project] in dgbudget.toml, or run fewer workers",
    ),
    None: (
        "budget or a free place",
        "raise the run budget (--dg-budget, --dg-cost-budget) or --dg-max-sessions, or lower --dg-test-budget",
    ),
}


def what_was_awaited(awaited: Awaited | None) -> str:
    """Say what was waited for; None: that is not known."""
    return _AWAITED[awaited][0]


def what_to_change(awaited: Awaited | None) -> str:
    """Say what to change so that less is waited."""
    return _AWAITED[awaited][1]


def gave_up(wait: GivenUpWait) -> str:
    """Say of a client that it left before it was its turn, and what to change."""
    return (
        f"a client waited {format_time(wait.ms)} for {what_was_awaited(wait.awaited)}, and gave up; raise its opening "
        f"timeout, or {what_to_change(wait.awaited)}"
    )
