"""What owners may ask on a control connection, and what is answered.

An operation names its answer as its base's argument: ``GetUsage`` is answered with a ``Usage``. On the wire each has
the name of its class. None is unknown; ``session`` is the id that a session's 101 carries. ``FindRunningTest`` is the
one that the gateway asks of an owner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args

from pytest_dgbudget.model import (
    Bypass,
    CassetteTerms,
    GivenUpWait,
    MeasuredTurn,
    Mismatch,
    OtherTarget,
    Outcome,
    Overrun,
    Pace,
    Refusal,
    Replayed,
    SessionTurns,
    Usage,
)
from pytest_dgbudget.rules.attempts import AttemptFigures

A = TypeVar("A")


class Operation(Generic[A]):
    """Something that an owner asks of the gateway; ``A`` is the answer."""

    __slots__ = ()

    @classmethod
    def answer_kind(cls) -> Any:
        """Return the answer's type, for codec.from_json."""
        return get_args(cls.__orig_bases__[0])[0]  # type: ignore[attr-defined]


# Attempts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecordings:
    """Where the sessions of an attempt are recorded, each in a folder of its own, and where they are dialled.

    ``target`` is what reports call it. There is no folder where there was no session.
    """

    folder: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedAttempt:
    """What the gateway granted: the attempt's id and number, what is left of its test's budget, and its token.

    ``recordings`` is None where nothing is recorded.
    """

    id: str
    number: int
    budget_seconds: float | None
    recordings: AttemptRecordings | None
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginAttempt(Operation[GrantedAttempt]):
    """Begin an attempt of a test. ``worker`` is its worker's id where every worker runs every test, else empty.

    ``path`` is the glob of the path budget that applies to it. Budgets are None where it has none.

    ``target`` is where it is dialled; None: where its run is. ``scenario`` is what the emulator plays to it: FILE or
    FILE::NAME; ``pace`` is that of the emulator and of replays. ``notify``: the owner is to be told what happens in it.
    ``cassettes`` are those that its sessions are replayed from, or those that have one in a live run; None: none are.
    ``unrecordable``: why what it dials could not be kept in a run that records; nothing is dialled then.
    """

    nodeid: str
    worker: str
    target: OtherTarget | None
    budget_ms: int | None
    idle_ms: int | None
    scenario: str | None
    pace: Pace
    notify: bool = False
    path: str | None = None
    cost_budget_micro_usd: int | None = None
    cassettes: CassetteTerms | None = None
    unrecordable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an attempt so far.

    What a budget cut or refused, what clients were refused for, which of their sessions went past the gateway or were
    about to, which of them gave up waiting, and how a gateway was lost (in words, or None). ``order_violations``: a
    sentence for each order rule that its sessions broke. ``mismatches``: what clients did otherwise than cassettes.
    ``replays``: what became of each session that was replayed.
    """

    overruns: tuple[Overrun, ...]
    refusals: tuple[Refusal, ...]
    bypasses: tuple[Bypass, ...]
    waits_given_up: tuple[GivenUpWait, ...]
    gateway_lost: str | None
    had_clients: bool
    notes: tuple[str, ...]
    order_violations: tuple[str, ...]
    mismatches: tuple[Mismatch, ...] = ()
    replays: tuple[Replayed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVerdict(Operation[Verdict]):
    """Ask what became of an attempt so far."""

    attempt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUsage(Operation[Usage]):
    """Ask what an attempt has used so far, or one session of it."""

    attempt: str
    session: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetViolations(Operation[tuple[str, ...]]):
    """Ask what one session of an attempt broke of the protocol so far, Errors included: a sentence for each."""

    attempt: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTurns(Operation[tuple[MeasuredTurn, ...]]):
    """Ask for the turns of an attempt, or of one session of it, that are answered or over.

    Those of one session come in the order in which they began.
    """

    attempt: str
    session: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSessionTurns(Operation[tuple[SessionTurns, ...]]):
    """Ask for the turns of all sessions of an attempt."""

    attempt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRemaining(Operation[float | None]):
    """Ask for the seconds that an attempt may still use; None where no budget applies."""

    attempt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the run has used up to now, in all of its gateways, and what is open in this one.

    ``at_risk_seconds`` and ``at_risk_usd`` are set aside for what is open and not used yet. ``used_usd`` is at our
    prices. ``waiting`` counts those that wait for a place or a lease.
    """

    used_seconds: float
    used_usd: float
    at_risk_seconds: float
    at_risk_usd: float
    open_sessions: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProgress(Operation[Progress]):
    """Ask what to show of the run while it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """The final figures of an attempt, as its test's report has them, and its verdict.

    ``leaked`` counts the sessions that were still open.
    """

    figures: AttemptFigures
    verdict: Verdict
    leaked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAttempt(Operation[EndedAttempt]):
    """Close everything of an attempt and revoke its token. ``expects_clients``: its test asked for the endpoint."""

    attempt: str
    expects_clients: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedLostTest:
    """The last attempt of a test whose process is gone, and its figures."""

    attempt: str
    figures: AttemptFigures
    recordings: AttemptRecordings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndLostTest(Operation[EndedLostTest | None]):
    """End the last attempt of a test whose process is gone; None when it had no attempt."""

    nodeid: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutcome(Operation[None]):
    """Record what became of an attempt's test."""

    attempt: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRecordings(Operation[bool]):
    """Have all that was recorded of an attempt by now written; False where the disk does not take it in time."""

    attempt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeAudioRoom(Operation[int]):
    """Ask for room for so many bytes of audio beside the report; the answer is how many may be written."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCassette(Operation[None]):
    """Record that a session has become a cassette; ``cassette``: its folder, relative to the rootdir."""

    session: str
    cassette: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecordings(Operation[None]):
    """Have the recordings of an attempt removed; ``is_kept``: their texts are beside the report."""

    attempt: str
    is_kept: bool


# The run ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGrant:
    """A grant of the gateway before this one, as its owner holds it.

    ``emulator_calls``: what its test has set at the emulator.
    """

    attempt: str
    token: str = field(repr=False)
    asked: BeginAttempt
    emulator_calls: tuple[CallEmulator, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The run that was joined."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Operation[Joined]):
    """Join the run, with the grants that the gateway before this one gave.

    ``token`` names this process in a run that has process tokens, and then means the grant of the test that it runs.
    """

    held: tuple[HeldGrant, ...]
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTest:
    """The test that a process is running: its attempt; None without one, or with ``several``."""

    attempt: str | None
    several: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FindRunningTest(Operation[FoundTest]):
    """Ask an owner, for whose process token a client has come, which test it is running; begins an attempt of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStopReason(Operation[str | None]):
    """Ask why no test is to begin any more, under --dg-on-exhausted=stop; None while tests go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun(Operation[None]):
    """Close everything now and wait for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRun(Operation[dict[str, Any]]):
    """End the run; with ``wait``, the comparison with the statement goes on. The answer is a FinishedRun.

    ``notices`` are sentences of gateways on other machines, which have left the run.
    """

    exit_status: int
    wait: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitReconciliation(Operation[dict[str, Any] | None]):
    """Ask for the FinishedRun with the comparison in it; None while that goes on."""

    exit_status: int
    wait: bool


# The emulator -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckScenario(Operation[Any]):
    """Have the emulator read a scenario; fails with what is wrong with it."""

    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEmulator(Operation[Any]):
    """Call the emulator's own API for an attempt; ``what`` is the path's last part. The answer is its document."""

    attempt: str
    method: str
    what: str
    body: Any


_OPERATIONS: tuple[type[Operation[Any]], ...] = (
    Join,
    BeginAttempt,
    GetVerdict,
    GetUsage,
    GetViolations,
    GetTurns,
    GetSessionTurns,
    GetRemaining,
    GetProgress,
    EndAttempt,
    EndLostTest,
    RecordOutcome,
    WriteRecordings,
    TakeAudioRoom,
    RecordCassette,
    ReleaseRecordings,
    GetStopReason,
    StopRun,
    FinishRun,
    AwaitReconciliation,
    CheckScenario,
    CallEmulator,
    FindRunningTest,
)
OPERATIONS: dict[str, type[Operation[Any]]] = {each.__name__: each for each in _OPERATIONS}
