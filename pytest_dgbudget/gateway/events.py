"""The life of a session as events: what happens is emitted once, and log, hooks and figures are made from it.

A session is named by its dial's id, an attempt by its own. None of them holds what was said, or a secret.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pytest_dgbudget.model import Bypass, Overrun, Refusal, UsageRecord
from pytest_dgbudget.rules.refusals import describe_refusal
from pytest_dgbudget.units import format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRefused:
    """A budget has too little left: nothing is dialled."""

    attempt: str
    overrun: Overrun


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
    """It is metered from now on."""

    attempt: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened:
    """The target's 101 is here."""

    session: str
    handshake_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWelcomed:
    """The vendor named it."""

    session: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWarned:
    """The vendor sent a warning or an error."""

    session: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSkipped:
    """A client's message before the end of its Settings was too long to read: it passed without the run's tag."""

    session: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsCut:
    """A budget is used up: every open session of an attempt gets its Close."""

    attempt: str
    overrun: Overrun


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """Its socket is closed."""

    attempt: str
    session: str
    usage: UsageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettled:
    """The last session of a lease has ended: this much of it was used."""

    attempt: str
    lease: str
    used_ms: int


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


Event = (
    SessionRefused
    | StrangerRefused
    | EndpointUnused
    | RequestPassed
    | SocketPassed
    | BypassReported
    | SessionDialled
    | SessionOpened
    | SessionWelcomed
    | SessionWarned
    | MessageSkipped
    | SessionsCut
    | SessionEnded
    | LeaseSettled
    | GatewayStalled
    | DiscrepancyFound
)


class Events:
    """Hands each event to every subscriber, in the order in which they subscribed; none may raise."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Event], None]] = []

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        self._subscribers.append(subscriber)

    def emit(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)


class Remarks:
    """What a user should know of how a run went, beside its figures: a sentence for each kind, however often it was."""

    def __init__(self, events: Events) -> None:
        self._open: set[str] = set()
        self._untagged: set[str] = set()
        self._stalled_ms: list[int] = []
        self._unused: dict[str, None] = {}
        self._strangers: Counter[StrangerRefused] = Counter()
        self._passed: Counter[RequestPassed | SocketPassed] = Counter()
        events.subscribe(self._note)

    def sentences(self) -> list[str]:
        sentences = []
        if self._untagged:
            sentences.append(
                f"in {len(self._untagged)} sessions Settings, or a message before them, were too long to be read: they "
                "passed as they were, so what lacks the run's tag is found in the statement by request id alone"
            )
        if self._stalled_ms:
            sentences.append(
                "the gateway or the machine stood still while sessions were open, at the longest for "
                f"{format_time(max(self._stalled_ms))}: what was due then was cut late, and all of it is charged"
            )
        if self._unused:
            sentences.append(_did_not_come(list(self._unused)))
        sentences += [self._passed_to(host) for host in dict.fromkeys(event.host for event in self._passed)]
        for refused, times in self._strangers.items():
            described = Refusal(status=refused.status, code=refused.code, reason=refused.reason, times=times)
            sentences.append(f"while not exactly one test ran, {describe_refusal(described)}")
        return sentences

    def _passed_to(self, host: str) -> str:
        passed = [
            f"{times} {what}{'' if times == 1 else 's'}"
            for what, event in (("request", RequestPassed(host=host)), ("socket", SocketPassed(host=host)))
            if (times := self._passed[event])
        ]
        return f"passed {' and '.join(passed)} to {host} unmetered (dg_pass_other)"

    def _note(self, event: Event) -> None:
        if isinstance(event, SessionDialled):
            self._open.add(event.session)
        elif isinstance(event, SessionEnded):
            self._open.discard(event.session)
        elif isinstance(event, StrangerRefused):
            self._strangers[event] += 1
        elif isinstance(event, (RequestPassed, SocketPassed)):
            self._passed[event] += 1
        elif isinstance(event, MessageSkipped):
            self._untagged.add(event.session)
        elif isinstance(event, EndpointUnused):
            self._unused[event.nodeid] = None
        elif isinstance(event, GatewayStalled) and self._open:
            self._stalled_ms.append(event.stalled_ms)


def _did_not_come(tests: list[str]) -> str:
    """Say which tests waited for an application that dialled elsewhere, or nowhere."""
    asked = "asked for voice_agent.endpoint, and no client came"
    others = len(tests) - 1
    named = tests[0] if not others else f"{tests[0]} and {others} more test{'' if others == 1 else 's'}"
    return f"{named} {asked}: does the application dial elsewhere?"
