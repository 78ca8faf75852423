"""What is shown of turns: whether their latencies say anything, and the words for their marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pytest_dgbudget.report.document import AttemptEntry, RunFigures, SessionFigures
from pytest_dgbudget.report.run_line import skips_time

TurnMark = Literal["overlapped", "unpaced", "transcript", "continued", "unanswered"]
MARKS: Mapping[TurnMark, str] = {
    "overlapped": "overlapped",
    "unpaced": "unpaced",
    "transcript": "measured since the transcript",
    "continued": "continued",
    "unanswered": "unanswered",
}


def marked_turns(entries: Iterable[AttemptEntry | SessionFigures]) -> list[str]:
    """Return how many turns of these have each mark, as ``2 overlapped``, without the marks that none has."""
    marked = [each for entry in entries if (each := entry.get("marked_turns")) is not None]
    return [f"{turns:,} {words}" for mark, words in MARKS.items() if (turns := sum(each[mark] for each in marked))]


def has_latency(figures: AttemptEntry | SessionFigures | RunFigures) -> bool:
    """Return whether latencies of these turns are shown: an agent that skips its time at pace max says nothing by them.

    ``usage.json`` has them all the same, as they were measured.
    """
    shown: Any = figures
    return not skips_time(shown["forecast_seconds"], shown["seconds"] if "seconds" in shown else shown["used_seconds"])
