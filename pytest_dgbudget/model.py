"""The facts that travel between the layers.

Milliseconds are integers on a monotonic clock; instants (``at``) are as ``instants`` writes them.
None is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

ClosedBy = Literal[
    "client",
    "server",
    "teardown",
    "test-budget",
    "path-budget",
    "run-budget",
    "window-budget",
    "idle",
    "owner-lost",
    "gateway-lost",
    "network",
    "refused",
]
Outcome = Literal["passed", "failed", "skipped", "xfailed", "xpassed", "error", "rerun"]
ScopeName = Literal["test", "path", "run", "window"]
# What a budget is counted in: milliseconds, or millionths of a dollar.
Currency = Literal["time", "money"]
# What a session waits for before it is dialled: some of a budget, a place among those of its run, or of the project.
Awaited = Literal["test", "path", "run", "window", "place", "project-place"]
Period = Literal["day", "month"]
TargetName = Literal["live", "emulator", "replay"]
# How an emulated session spends time, and a replayed one: as the real service was seen to, or without waiting.
Pace = Literal["vendor", "max"]
PACES: tuple[Pace, ...] = get_args(Pace)
# Where a test may be dialled if not where its run is.
OtherTarget = Literal["emulator"]
# Where a session went if not where its run did.
OtherDial = Literal["emulator", "replay"]
# How a replay compares the user's audio: sample by sample, by its length, or not at all.
CassetteAudioRule = Literal["exact", "length", "any"]
MismatchKind = Literal["content", "audio", "messages", "left-over"]
# The vendor's price classes.
Tier = Literal["standard", "standard-byo-tts", "custom-byo-llm", "custom-byo-llm-tts", "advanced", "advanced-byo-tts"]
TIERS: tuple[Tier, ...] = get_args(Tier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used so far: connection time, sessions that opened, and their cost (None while no price is known)."""

    seconds: float
    sessions: int
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One pytest invocation and the budget it gives to its run.

    ``may_bypass``: what it lets its tests do, a session can be dialled past the gateway unseen. ``prices_as_of`` is the
    date of its price table. ``pace`` is that of what is emulated in it. Budgets are None where there is none.
    """

    id: str
    run: str
    target: str
    billed: bool
    tag: str
    budget_ms: int | None
    host: str
    pid: int
    may_bypass: bool = False
    prices_as_of: str | None = None
    pace: Pace = "vendor"
    cost_budget_micro_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBudget:
    """What all billed runs of a ledger may use together in a day or a month (UTC)."""

    period: Period
    currency: Currency
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PathBudget:
    """Budgets of the tests whose file matches ``glob``: of each of them, and of all of them together in a run.

    None where none is given; ``test_is_off``: each of them has none, whatever --dg-test-budget says.
    """

    glob: str
    test_ms: int | None = None
    test_is_off: bool = False
    test_micro_usd: int | None = None
    run_ms: int | None = None
    run_micro_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The ``number``-th grant of one test; ``worker`` distinguishes tests that every worker runs (``--dist each``).

    ``target`` is where it is dialled; None: where its run is. What is dialled elsewhere counts in no figure of the run.
    ``path`` is the glob of the path budget that applies to it. Its own budgets, in both currencies, and what is left of
    each for this attempt are None where it has none.
    """

    id: str
    nodeid: str
    worker: str
    number: int
    target: OtherTarget | None
    budget_ms: int | None
    left_ms: int | None
    path: str | None = None
    cost_budget_micro_usd: int | None = None
    cost_left_micro_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The budget that limited a lease in one currency, and how much it allows.

    ``label`` says which, where a scope can have several: the period of a window, the glob of a path.
    """

    scope: ScopeName
    allowed: int
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Time and money set aside for one attempt, and what limited each.

    ``micro_usd`` is what all of the time costs at the highest known price, in millionths of a dollar, or less where a
    budget in money had less; without ``money_limit`` no such budget applies, and nothing is cut for its cost.
    """

    id: str
    allowance_ms: int
    micro_usd: int
    time_limit: Limit
    money_limit: Limit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSpan:
    """A part of a session at one price: ``ms`` long, from ``from_ms`` after the dial on.

    ``tier`` is None where it is not known; ``estimated``: what passed does not settle the price, so it is the highest
    that it may be.
    """

    from_ms: int
    ms: int
    tier: str | None
    micro_usd_per_minute: int
    estimated: bool


OrderRule = Literal[
    "welcome-first", "one-welcome", "settings-applied-first", "no-audio-after-done", "function-answered", "no-error"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An order rule that a session broke, ``at_ms`` after its dial.

    ``what`` is one sentence with nothing in it that was said, and no secret.
    """

    rule: OrderRule
    at_ms: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """For ``ms`` from ``at_ms`` after the dial on: user audio was sent and nothing came back, or the user's turn had
    not ended and no audio was sent in which it could.
    """

    kind: Literal["one-way", "turn-not-ended"]
    at_ms: int
    ms: int


# Where a turn's latency begins: at the last loud part of the user's audio, at an InjectUserMessage, or (audio that
# can't be read) at the ConversationText of what the user said.
TurnSince = Literal["audio", "text", "transcript"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTurn:
    """The user's part and the agent's answer to it, in milliseconds since the session's dial.

    ``answered_ms`` is None where no answer came: ``continued`` says that the user went on before it. ``overlapped``:
    the agent was still speaking, and the turn starts when it had sent all of that. ``unpaced``: the user's audio came
    faster than 1.5 times real time. ``function_ms``: how long client functions took before the answer.
    """

    started_ms: int
    since: TurnSince
    answered_ms: int | None
    overlapped: bool
    unpaced: bool
    continued: bool
    function_ms: int

    @property
    def latency_ms(self) -> int | None:
        """The silence before the answer; None without one."""
        return None if self.answered_ms is None else self.answered_ms - self.started_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTurns:
    """The turns of one session that are answered or over, in the order in which they began.

    ``name`` is the vendor's id of the session, or ours where it has none. ``awaits_answer``: one more is neither.
    """

    name: str
    turns: tuple[MeasuredTurn, ...]
    awaits_answer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteTerms:
    """Where a test's cassettes are, one folder each, and how they are matched.

    ``name`` is what reports call their folder, relative to the rootdir. ``ignore``: what may change, TYPE/POINTER each,
    a message's type and a JSON pointer into it.
    """

    folder: str
    ignore: tuple[str, ...]
    audio: CassetteAudioRule
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A client did something else than its cassette has. ``what`` is a sentence; ``differences`` are lines of a diff.

    ``line`` is that of the cassette's ``session.jsonl``, from 1; None where no line is concerned. ``kind``: a text
    differs in its content, the audio does, or messages are too many, too few, others, or left over at the close.
    ``allowed_by``: what in ``dg_cassette_ignore``, or as ``dg_cassette_audio``, would let a client do so.
    """

    cassette: str
    line: int | None
    what: str
    differences: tuple[str, ...]
    kind: MismatchKind = "messages"
    allowed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a replay: the ``cassette`` that its Settings chose, relative to the rootdir, and when that was
    recorded (UTC); both are None before its Settings, and where none has them. ``beside_live``: its run dials what has
    no cassette, so that it counts in no figure of that.
    """

    cassette: str | None = None
    recorded_at: str | None = None
    mismatch: Mismatch | None = None
    beside_live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """How one dialled session ended. ``handshake_ms`` is None when it never opened.

    ``closing_ms``: from the end's beginning to our socket closed. ``tagged``: the vendor accepted the Settings that
    carry the run's tag. ``reason``: why the handshake failed. ``tier`` is the last one; ``micro_usd``, in millionths of
    a dollar, is what all ``tier_spans`` cost, ``estimated`` where one of them is. ``skipped_ms``: the waiting that pace
    max left out, None where nothing is emulated or nobody could say; ``forecast_micro_usd``: what the session would
    have cost with it. ``forecast_cut``: a budget ended it, so live there would have been no more of it either.
    ``vendor_latencies_ms`` are the totals of the vendor's own LatencyReports. ``replay`` is None where it was dialled.
    """

    dial: str
    request_id: str | None
    closed_at: str
    ms: int | None
    handshake_ms: int | None
    audio_in_ms: int | None
    audio_out_ms: int | None
    closed_by: ClosedBy
    close_code: int | None
    confirmed: bool
    tagged: bool
    reason: str | None = None
    closing_ms: int | None = None
    tier: str | None = None
    micro_usd: int | None = None
    estimated: bool = False
    greeting_ms: int | None = None
    skipped_ms: int | None = None
    forecast_micro_usd: int | None = None
    forecast_cut: bool = False
    tier_spans: tuple[TierSpan, ...] = ()
    turns: tuple[MeasuredTurn, ...] = ()
    violations: tuple[Violation, ...] = ()
    vendor_latencies_ms: tuple[int, ...] = ()
    overrun: Overrun | None = None
    replay: Replayed | None = None

    @property
    def vendor_reports(self) -> int | None:
        """How many of the vendor's LatencyReports had a total; None where nobody saw them."""
        return None if self.ms is None else len(self.vendor_latencies_ms)

    @property
    def forecast_ms(self) -> int | None:
        """What the session would have taken without skipping anything; None where that is not known."""
        if self.ms is None or self.skipped_ms is None:
            return None
        return self.ms + self.skipped_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrun:
    """A budget cut a session, refused one, or was exceeded by what was charged: the cut came too late.

    ``used`` and ``allowed`` are milliseconds, or millionths of a dollar where the ``currency`` is money; ``also_used``
    is the same use in the other one, None where that is not known. ``label`` is that of the ``Limit``.
    """

    kind: Literal["cut", "refused", "exceeded"]
    scope: ScopeName
    used: int
    allowed: int
    currency: Currency = "time"
    label: str = ""
    also_used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUpWait:
    """How long a client waited for its turn before it left, in milliseconds, and for what it did most of that."""

    ms: int
    awaited: Awaited


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why clients of a test were refused, by us or by the vendor, and how often: ``reason`` says what to do as well.

    ``code`` is the ``err_code`` of the answer, empty where it had none.
    """

    status: int
    code: str
    reason: str
    times: int


BypassHow = Literal["refused", "passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass:
    """A session that ``program`` was about to dial past the gateway, or dialled: ``how`` says which."""

    host: str
    path: str
    how: BypassHow
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess:
    """Where the vendor's statement is, and with which key; ``project`` None: the only one that the key can see."""

    api_url: str
    project: str | None
    key: str = field(repr=False)
