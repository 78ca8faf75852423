"""The life of a session as events: what happens is emitted once, and log, usage record and recording are made from it.

A session is named by its dial's id, an attempt by its own; ``at_ms`` counts from the dial. None of them holds what was
said, or a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pytest_dgbudget.model import Bypass, MeasuredTurn, Overrun, Stall, UsageRecord, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRefused:
    """A budget has too little left: nothing is dialled."""

    attempt: str
    overrun: Overrun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIsStopping:
    """Tests that were still to begin don't, for this reason: one sentence."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerRefused:
    """A client's token means nothing, and no test can be told of it alone."""

    status: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointUnused:
    """A test asked for its endpoint, and no client came."""

    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteLacked:
    """A test's client was refused, for want of a cassette that can be read and no other session uses."""

    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CassettesUnused:
    """An attempt is over, and so many of the cassettes of its test were used by none of its sessions."""

    attempt: str
    unused: int
    cassettes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPassed:
    """A request goes on to the vendor, unmetered."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketPassed:
    """A WebSocket that is no session of the agent's goes on to the vendor, unmetered."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BypassReported:
    """A process tells of a session past the gateway; ``attempt`` None: no test ran."""

    attempt: str | None
    bypass: Bypass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDialled:
    """It is metered from now on; ``replayed``: a cassette plays it, and nothing is dialled."""

    attempt: str
    session: str
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened:
    """The target's 101 is here."""

    session: str
    handshake_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWelcomed:
    """The vendor named it."""

    session: str
    at_ms: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPassed:
    """The client's Settings went on to the vendor."""

    session: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChanged:
    """A message that sets the price went on to the vendor: from ``from_ms`` on a minute costs so much.

    ``tier`` None: not known, at the highest known price.
    """

    session: str
    at_ms: int
    from_ms: int
    tier: str | None
    micro_usd_per_minute: int
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetingBegun:
    """The first audio of the agent's greeting came, so long after SettingsApplied."""

    session: str
    at_ms: int
    greeting_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPartEnded:
    """The user has said something, or a text was injected in their place: the agent's answer is next."""

    session: str
    at_ms: int
    injected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """The agent answers, or the turn is over without an answer; when that was, ``turn`` says."""

    session: str
    at_ms: int
    turn: MeasuredTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyReported:
    """A LatencyReport of the vendor's has a total: what the vendor takes the latency of a turn to be."""

    session: str
    at_ms: int
    vendor_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionsCalled:
    """The agent asks the client to call so many functions."""

    session: str
    at_ms: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionAnswered:
    """The client has answered a function call."""

    session: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBroken:
    """What passed broke an order rule of the protocol."""

    session: str
    at_ms: int
    violation: Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStalled:
    """One side waited for the other, longer than conversations do."""

    session: str
    at_ms: int
    stall: Stall


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWarned:
    """The vendor sent a warning or an error."""

    session: str
    at_ms: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSkipped:
    """A client's message before the end of its Settings was too long to read: it passed without the run's tag."""

    session: str
    at_ms: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsCut:
    """A budget is used up: every open session of an attempt gets its Close."""

    attempt: str
    overrun: Overrun


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceExceeded:
    """More was used than was set aside, as after a suspend or a stall: the cut came too late."""

    attempt: str
    overrun: Overrun


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """Its socket is closed, ``at_ms`` after the dial: as much as it used, unless it was replayed."""

    attempt: str
    session: str
    at_ms: int
    usage: UsageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettled:
    """The last session of a lease has ended: this much of it was used."""

    attempt: str
    lease: str
    used_ms: int
    used_micro_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorRestarted:
    """The run's emulator has ended, and another one was started in its place."""

    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKeyMade:
    """The run has a key of its own from now on, by this id."""

    run_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKeyProblem:
    """The run's own key could not be made, was refused, or could not be deleted: one sentence."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditProblem:
    """The project's balance is not known to cover what the run may spend: one sentence."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayStalled:
    """The gateway, or the whole machine, stood still: what was due meanwhile is done now."""

    stalled_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscrepancyFound:
    """The vendor's statement has something else than we metered; None is unknown.

    ``kind`` is the class of the line in usage.json's reconciliation.
    """

    kind: str
    request_id: str | None
    own_ms: int | None
    vendor_ms: int | None


# What happens to a session, from its dial on.
SessionEvent = (
    SessionDialled
    | SessionOpened
    | SessionWelcomed
    | SettingsPassed
    | TierChanged
    | GreetingBegun
    | UserPartEnded
    | TurnEnded
    | LatencyReported
    | FunctionsCalled
    | FunctionAnswered
    | RuleBroken
    | SessionStalled
    | SessionWarned
    | MessageSkipped
    | SessionEnded
)

Event = (
    SessionEvent
    | SessionRefused
    | RunIsStopping
    | StrangerRefused
    | EndpointUnused
    | CassetteLacked
    | CassettesUnused
    | RequestPassed
    | SocketPassed
    | BypassReported
    | SessionsCut
    | AllowanceExceeded
    | LeaseSettled
    | EmulatorRestarted
    | RunKeyMade
    | RunKeyProblem
    | CreditProblem
    | GatewayStalled
    | DiscrepancyFound
)


def described(event: SessionEvent) -> tuple[str, int, dict[str, Any]]:
    """Return an event's name, when it was, and its fields, for a recording of its session."""
    fields = asdict(event)
    del fields["session"]
    fields.pop("at_ms", None)
    return type(event).__name__, _at_ms(event), fields


def _at_ms(event: SessionEvent) -> int:
    if isinstance(event, SessionDialled):
        return 0
    if isinstance(event, SessionOpened):
        return event.handshake_ms
    return event.at_ms


class Events:
    """Hands each event to every subscriber, in the order in which they subscribed; none may raise."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Event], None]] = []

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        self._subscribers.append(subscriber)

    def emit(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)
