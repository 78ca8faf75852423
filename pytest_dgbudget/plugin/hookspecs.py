"""The hooks that projects and plugins may implement. An implementation names the arguments that it wants.

Those of sessions are called in the process with the test, on a thread beside it, and change nothing of it: one that
raises or hangs is reported at the end of the run. docs/hooks.md has when and where each one is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pytest

    from pytest_dgbudget.plugin.hook_payloads import (
        ClosedSession,
        Discrepancy,
        EndedTurn,
        OpenedSession,
        OverrunReport,
        RunReport,
    )


def __dir__() -> list[str]:
    """pytest inspects every name of a module of hooks, including those that every module has."""
    return [name for name in globals() if name.startswith("pytest_")]


def pytest_dgbudget_session_opened(session: OpenedSession, config: pytest.Config) -> None:
    """A session has opened: once for each, before its turns, when the vendor's request id is known."""


def pytest_dgbudget_turn(turn: EndedTurn, config: pytest.Config) -> None:
    """A turn is over: the agent has begun to answer, or will not."""


def pytest_dgbudget_session_closed(session: ClosedSession, config: pytest.Config) -> None:
    """A session that had opened is closed: once for each, after its turns, however it ended."""


def pytest_dgbudget_overrun(overrun: OverrunReport, config: pytest.Config) -> None:
    """A budget has cut a test's sessions, refused one for the first time, or was exceeded."""


def pytest_dgbudget_discrepancy(discrepancy: Discrepancy, config: pytest.Config) -> None:
    """The vendor's statement disagrees about a request; called where the run ends, before ``run_finished``."""


def pytest_dgbudget_run_finished(run: RunReport, config: pytest.Config) -> None:
    """The run is over and its report is written; called once, in xdist's controller or in the only process."""


def pytest_dgbudget_prices(config: pytest.Config) -> Mapping[str, float | str | date] | None:
    """Return US dollars a minute by tier, over the shipped prices and under ``[prices]`` of dgbudget.toml.

    The keys and checks are those of ``[prices]``. Called once, when pytest is configured, where the run begins.
    """


def pytest_dgbudget_scrub(text: str, config: pytest.Config) -> str | None:
    """Return a text as it may be kept; None leaves it. Each implementation gets what the one before it returned."""
