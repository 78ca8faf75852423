"""What the gateway says to an owner unasked, and nobody answers. On the wire each has the name of its class.

None is unknown. None of them holds what was said in a session, or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_dgbudget.model import MeasuredTurn, Overrun, UsageRecord


class Notification:
    """Something that the gateway says to an owner unasked, and that nobody answers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Heartbeat(Notification):
    """The gateway's event loop turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptIdentity:
    """Which attempt something happened in, where it is dialled, and whether that is billed."""

    id: str
    nodeid: str
    number: int
    target: str
    billed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionIdentity:
    """Which session something happened in: the id of its dial, the instant of that, and the vendor's id of it."""

    id: str
    dialled_at: str
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedNotification(Notification):
    """A session has opened, and the vendor has named it, or something else has happened in it without that."""

    attempt: AttemptIdentity
    session: SessionIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnNotification(Notification):
    """A turn of an open session is over."""

    attempt: AttemptIdentity
    session: SessionIdentity
    turn: MeasuredTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedNotification(Notification):
    """A session that had opened is closed."""

    attempt: AttemptIdentity
    session: SessionIdentity
    usage: UsageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrunNotification(Notification):
    """An attempt has one overrun more; what a scope refuses again is the same one."""

    attempt: AttemptIdentity
    overrun: Overrun


AttemptNotification = OpenedNotification | TurnNotification | ClosedNotification | OverrunNotification
ATTEMPT_NOTIFICATIONS: tuple[type[AttemptNotification], ...] = (
    OpenedNotification,
    TurnNotification,
    ClosedNotification,
    OverrunNotification,
)
NOTIFICATIONS: dict[str, type[Notification]] = {each.__name__: each for each in (Heartbeat, *ATTEMPT_NOTIFICATIONS)}
