"""How a run compares with earlier ones of its target, as usage.json has it."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypedDict

# too-few-runs: fewer earlier runs share enough tests with this one than are needed to judge.
RegressionVerdict = Literal["off", "too-few-runs", "none", "regression"]
RegressionFigure = Literal["spend", "latency"]


class ComparedFigure(TypedDict):
    """One figure of the run over the tests that it shares with earlier ones, in seconds: spend of all, median latency.

    ``change`` is a share of what is usual, 0.3 for 30 % more; above ``limit`` it is a regression.
    """

    usual_seconds: float
    now_seconds: float
    change: float
    limit: float
    regressed: bool


class Contributor(TypedDict):
    """A test that took longer than it usually does, in seconds."""

    nodeid: str
    figure: RegressionFigure
    usual_seconds: float
    now_seconds: float
    change: float


class RegressionFigures(TypedDict):
    """``runs`` earlier ones were compared, over the ``tests`` that they share; contributors, the worst first.

    A figure is None where it could not be judged. ``sentences`` say in words what was found, or why nothing was judged.
    """

    verdict: RegressionVerdict
    runs: int
    tests: int
    spend: ComparedFigure | None
    latency: ComparedFigure | None
    contributors: list[Contributor]
    sentences: list[str]


class PastRunFigures(TypedDict):
    """An earlier run of the same target, as trends show it. ``used_seconds`` are forecasts where it was emulated."""

    id: str
    started_at: str
    tests: int
    sessions: int
    used_seconds: float
    cost_usd: float | None
    latency_p50_ms: int | None


class Past(NamedTuple):
    """What the ledger has of earlier runs, the last of them last; ``regression`` None: they were not compared."""

    regression: RegressionFigures | None = None
    history: tuple[PastRunFigures, ...] = ()


NO_PAST = Past()
