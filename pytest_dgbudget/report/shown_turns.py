"""What is shown of turns: whether their latencies say anything."""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.report.document import AttemptEntry, RunFigures, SessionFigures
from pytest_dgbudget.report.run_line import skips_time


def has_latency(figures: AttemptEntry | SessionFigures | RunFigures) -> bool:
    """Return whether latencies of these turns are shown: an agent that skips its time at pace max says nothing by them.

    ``usage.json`` has them all the same, as they were measured.
    """
    shown: Any = figures
    return not skips_time(shown["forecast_seconds"], shown["seconds"] if "seconds" in shown else shown["used_seconds"])
