"""The form of the document ``usage.json``, and of what is known at the end of a run.

It is promised by ``usage.schema.json``. Unknown numbers are null, never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from pytest_dgbudget.report.overrun_figures import OverrunFigures
from pytest_dgbudget.report.reconciliation_figures import ReconciliationFigures
from pytest_dgbudget.report.regression_figures import PastRunFigures, RegressionFigures
from pytest_dgbudget.rules.attempts import AttemptVerdict
from pytest_dgbudget.rules.bypass import BypassState
from pytest_dgbudget.rules.turn_figures import MarkedTurns, TranscriptLatency, VendorLatency

if TYPE_CHECKING:  # it is loaded where something was used
    from pytest_dgbudget.model import Awaited

SCHEMA = "dgbudget.usage/1"

RunVerdict = Literal["overrun", "interrupted", "within"]
ReplayResult = Literal["hit", "miss", "recorded"]
WarningKind = Literal["run-budget", "path-budget", "window-budget", "prices", "archived"]


class RunKeyFigures(TypedDict):
    """A key of the run's own, by its id at the vendor; ``deleted_at`` is None where it is not known to be deleted."""

    id: str
    made_at: str
    deleted_at: str | None


class RunFigures(TypedDict):
    """What the run came to."""

    id: str
    started_at: str
    finished_at: str | None
    target: str
    billed: bool
    budget_seconds: float | None
    used_seconds: float
    sessions: int
    turns: int | None
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    cost_usd: float | None
    estimated: bool | None
    cost_budget_usd: float | None
    prices_as_of: str | None
    forecast_seconds: float | None
    forecast_usd: float | None
    replayed: int | None
    saved_seconds: float | None
    saved_usd: float | None
    at_risk_seconds: float
    at_risk_usd: float | None
    under_way: int | None
    set_aside_seconds: float | None
    overshoot_seconds: float
    bypass: BypassState
    keys: list[RunKeyFigures]
    verdict: RunVerdict
    failing: bool
    complete: bool


class OfShard(TypedDict, total=False):
    """Only in a merged document: of which of its ``shards`` this is, counted from 0."""

    shard: int


class AttemptEntry(OfShard):
    """One attempt of a test and its figures, which ``rules.attempts`` describes."""

    nodeid: str
    attempt: int
    target: str
    outcome: str | None
    budget_seconds: float | None
    used_seconds: float | None
    waited_seconds: float
    waited_for: Awaited | None
    cost_usd: float | None
    cost_budget_usd: float | None
    estimated: bool | None
    vendor_usd: float | None
    forecast_seconds: float | None
    forecast_usd: float | None
    at_risk_seconds: float
    at_risk_usd: float | None
    sessions: int
    replayed: int
    saved_seconds: float | None
    saved_usd: float | None
    turns: int | None
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    marked_turns: MarkedTurns | None
    transcript_latency: TranscriptLatency | None
    function_max_ms: int | None
    vendor_latency: VendorLatency | None
    cut: bool
    exceeded: bool
    refused: int
    overrun: OverrunFigures | None
    verdict: AttemptVerdict
    failing: bool
    artifacts: list[str]


class ViolationFigures(TypedDict):
    """An order rule that a session broke, ``at_ms`` after its dial."""

    rule: str
    at_ms: int
    what: str


class MismatchFigures(TypedDict):
    """What the client of a replay did otherwise than its cassette has, which ended the session.

    ``line`` is that of the cassette's ``session.jsonl``, None where no line is concerned; ``differences`` are lines of
    a diff.
    """

    line: int | None
    what: str
    differences: list[str]


class ReplayFigures(TypedDict):
    """What a session has to do with a cassette: it was replayed (``hit``), replayed up to a ``mismatch`` (``miss``), or
    ``recorded``.

    ``cassette`` is its folder, relative to the rootdir; None where no cassette has the client's Settings. Saved is what
    the session would have used live; None where it was live itself.
    """

    cassette: str | None
    result: ReplayResult
    recorded_at: str | None
    mismatch: MismatchFigures | None
    saved_seconds: float | None
    saved_usd: float | None


class SessionFigures(OfShard):
    """What one session came to."""

    id: str
    request_id: str | None
    nodeid: str
    attempt: int
    target: str
    billed: bool
    opened_at: str
    closed_at: str | None
    seconds: float | None
    handshake_seconds: float | None
    closing_seconds: float | None
    audio_in_seconds: float | None
    audio_out_seconds: float | None
    tier: str | None
    cost_usd: float | None
    estimated: bool | None
    vendor_usd: float | None
    forecast_seconds: float | None
    forecast_usd: float | None
    forecast_cut: bool
    greeting_ms: int | None
    turns: int | None
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    marked_turns: MarkedTurns | None
    transcript_latency: TranscriptLatency | None
    function_max_ms: int | None
    vendor_latency: VendorLatency | None
    closed_by: str | None
    close_code: int | None
    confirmed: bool
    overrun: OverrunFigures | None
    protocol: list[ViolationFigures] | None
    reason: str | None
    replay: ReplayFigures | None


class SoftWarning(TypedDict):
    """What fails nothing and should be known: a budget nearly used up, prices that are old, details in an archive."""

    kind: WarningKind
    text: str


class UsageDocument(TypedDict):
    """``usage.json``."""

    schema: str
    run: RunFigures
    tests: list[AttemptEntry]
    sessions: list[SessionFigures]
    reconciliation: ReconciliationFigures
    regression: RegressionFigures | None
    history: list[PastRunFigures]
    warnings: list[SoftWarning]
    notices: list[str]


class ShardFigures(TypedDict):
    """What a run's own document had that can't be told from the merged one: all but its tests and sessions."""

    run: RunFigures
    reconciliation: ReconciliationFigures
    warnings: list[SoftWarning]
    notices: list[str]


class MergedDocument(UsageDocument):
    """``usage.json`` of several runs together (``report.merging``); ``shards`` are these runs, by their start."""

    shards: list[ShardFigures]


class FinishedRun(TypedDict):
    """What is known at the end of a run. None: no document could be made, no report was written.

    ``overran``: of this invocation an overrun fails the run; ``failed_by_overrun`` counts its tests that failed by one;
    ``reconciling``: the vendor's statement is still being read, and another report follows.
    """

    document: UsageDocument | None
    report: str | None
    notices: list[str]
    overran: bool
    failed_by_overrun: int
    reconciling: bool


def without_document(notice: str) -> FinishedRun:
    """Return the end of a run of which no document could be made, and why."""
    return {
        "document": None,
        "report": None,
        "notices": [notice],
        "overran": False,
        "failed_by_overrun": 0,
        "reconciling": False,
    }


def with_notice(finished: FinishedRun, notice: str) -> FinishedRun:
    """Return the same end with one notice more."""
    return {**finished, "notices": [*finished["notices"], notice]}
