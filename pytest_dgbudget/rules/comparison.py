"""What is compared: our sessions, the statement's rows, which of these are ours, and the lines that pair the two.

Pure: instants are milliseconds since 1970 (UTC), money is millionths of a US dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

from pytest_dgbudget.rules.verdicts import LineClass, Tolerance
from pytest_dgbudget.units import known_sum

# How every tag of ours begins.
TAG_PREFIX = "dgbudget-"
# The request id of a row that has none, or one that can't be read: it can be paired with nothing.
NO_ID = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """One session in the ledger. ``ms`` is None when nobody saw its end.

    ``tagged``: the vendor took the Settings that carry the run's tag. ``handshake_ms`` and ``closing_ms`` are the parts
    of ``ms`` before the connection was open and after its end had begun. ``tier``: the one that it had from beginning
    to end; None where that changed or is not known. ``changed_micro_usd``: what it costs by our prices, where that
    changed from one known tier to another. Of a dial that never ``opened``, all is handshake.
    """

    id: str
    request_id: str | None
    ms: int | None
    ended_at_ms: int | None
    tagged: bool
    run: str = ""
    opened_at_ms: int | None = None
    handshake_ms: int | None = None
    closing_ms: int | None = None
    tier: str | None = None
    changed_micro_usd: int | None = None
    opened: bool = True

    @property
    def around_ms(self) -> int | None:
        """Handshake and close together."""
        if not self.opened:
            return self.ms
        return None if self.handshake_ms is None or self.closing_ms is None else self.handshake_ms + self.closing_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRow:
    """One request in the statement.

    ``created`` is as it came: it distinguishes rows; ``created_ms`` is that instant. ``duration_ms`` is what the row
    states, and ``elapsed_ms`` the time from its creation to its completion: what those mean is documented nowhere.
    ``unreadable_duration`` is what stands where a duration should; None when that is one, or nothing.
    ``tags`` are those that begin with ``dgbudget-``; None where the row shows no tags. ``agent``: whether it is a Voice
    Agent's; None where it does not say. Until it is ``settled``, its figures may still change.
    ``origin`` is what it says of where it came from: the path, the method, the deployment.
    """

    request_id: str
    created: str | None = None
    created_ms: int | None = None
    duration_ms: int | None = None
    elapsed_ms: int | None = None
    unreadable_duration: str | None = None
    micro_usd: int | None = None
    key_id: str | None = None
    tags: frozenset[str] | None = None
    agent: bool | None = None
    origin: str | None = None
    settled: bool

    @property
    def shown_ms(self) -> int | None:
        """The stated duration; where there is none, the time from creation to completion."""
        if self.duration_ms is None and self.unreadable_duration is None:
            return self.elapsed_ms
        return self.duration_ms

    @property
    def lacks_duration(self) -> bool:
        """Whether it is settled without one: its time shows in the hours alone."""
        return self.settled and self.duration_ms is None and self.unreadable_duration is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """By what rows are ours: the tags of runs, and the ids of the keys that were made for them."""

    tags: frozenset[str]
    keys: frozenset[str] = frozenset()

    def has(self, row: VendorRow) -> bool | None:
        """Return whether a row is under one of them; None where it shows no tags and no key that would tell."""
        if row.key_id in self.keys:
            return True
        if row.tags or (row.tags is not None and row.settled):
            return not self.tags.isdisjoint(row.tags)
        return False if self.keys and row.key_id is not None else None


# No tag and no key is one comparison's alone.
NOBODYS = Ours(tags=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One request as both sides have it. ``own`` are our sessions: none, or nearly always one.

    ``rows`` are the statement's that count: the settled ones, or else the one that says most.
    """

    kind: LineClass
    request_id: str | None
    own: tuple[OwnSession, ...] = ()
    rows: tuple[VendorRow, ...] = ()

    @property
    def sessions(self) -> tuple[str, ...]:
        """The ids of our sessions."""
        return tuple(session.id for session in self.own)

    @property
    def has_session(self) -> bool:
        """Whether a session of ours opened under it, or may have; a dial that never opened is none."""
        return any(session.opened for session in self.own)

    @property
    def began_ms(self) -> int | None:
        """When it began, by the ledger; where it isn't there, by the statement."""
        return self.own[0].opened_at_ms if self.own else self.rows[0].created_ms

    @property
    def own_ms(self) -> int | None:
        """What we metered."""
        return _sum_of(_MS, self.own)

    @property
    def around_ms(self) -> int | None:
        """What of it is handshake and close, which the vendor may not count."""
        return _sum_of(_AROUND_MS, self.own)

    @property
    def vendor_ms(self) -> int | None:
        """The duration that the statement states."""
        return _sum_of(_DURATION_MS, self.rows)

    @property
    def elapsed_ms(self) -> int | None:
        """The time from creation to completion, which is not known to be a duration."""
        return _sum_of(_ELAPSED_MS, self.rows)

    @property
    def unreadable_duration(self) -> str | None:
        """What the statement has where a duration should be, when that is not one."""
        return next((row.unreadable_duration for row in self.rows if row.unreadable_duration), None)

    @property
    def settled(self) -> bool:
        """Whether the statement has figures that no longer change."""
        return bool(self.rows) and self.rows[0].settled

    @property
    def lacks_duration(self) -> bool:
        """Whether a settled row of it states no duration."""
        return any(row.lacks_duration for row in self.rows)

    @property
    def stated_ms(self) -> int | None:
        """The duration that its one settled row states."""
        return self.rows[0].duration_ms if len(self.rows) == 1 and self.settled else None

    @property
    def micro_usd(self) -> int | None:
        """What it costs by the statement."""
        return _sum_of(_MICRO_USD, self.rows)

    @property
    def delta_ms(self) -> int | None:
        """How much more the vendor states."""
        own_ms, vendor_ms = self.own_ms, self.vendor_ms
        return None if own_ms is None or vendor_ms is None else vendor_ms - own_ms


_MS, _AROUND_MS = attrgetter("ms"), attrgetter("around_ms")
_DURATION_MS, _ELAPSED_MS, _MICRO_USD = attrgetter("duration_ms"), attrgetter("elapsed_ms"), attrgetter("micro_usd")


def _sum_of(figure: Callable[[object], int | None], parts: tuple[object, ...]) -> int | None:
    """Return the sum of a figure of each; nearly always there is just one, and an audit asks a million times."""
    if len(parts) == 1:
        return figure(parts[0])
    return known_sum(map(figure, parts)) if parts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a comparison: for ``grace_ms`` after a session's end, the statement may lack it; None is forever.

    ``drift``: the share of a sum of many sessions that honest causes may explain. ``prices``: what the user says that
    tiers cost, in micro-dollars a minute; ``shipped``: what is known of the others. Without either, no rate is judged.
    """

    tolerance: Tolerance
    grace_ms: int | None
    now_ms: int
    drift: float = 0.005
    prices: Mapping[str, int] = field(default_factory=dict)
    shipped: Mapping[str, int] = field(default_factory=dict)

    def is_recent(self, session: OwnSession) -> bool:
        if self.grace_ms is None or session.ended_at_ms is None:
            return True
        return self.now_ms - session.ended_at_ms < self.grace_ms

    def unasked(self) -> Terms:
        """The same where the statement could not be read: a session that could not be looked up is not missing."""
        return replace(self, grace_ms=None)
