"""What an audit is given, and what it finds: a period, the ledger's side, the statement's, and their comparison.

Instants are milliseconds since 1970 (UTC), money is millionths of a US dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_dgbudget.rules.comparison import Line, Ours, OwnSession, VendorRow
from pytest_dgbudget.rules.drift import Drift
from pytest_dgbudget.rules.rates import TierRate
from pytest_dgbudget.rules.statement import Reading
from pytest_dgbudget.rules.totals import Total

# Why a session or a request is not judged: its run is live now; what there was of its run is in an archive; it began
# before the period; the vendor doesn't keep its request any more; its run was with another stand-alone emulator, or may
# have been; its dial never opened; it is no Voice Agent's; the list lacks it, and it was not asked for.
LeftOut = Literal[
    "live-run",
    "archived",
    "earlier",
    "not-kept",
    "other-emulator",
    "unknown-emulator",
    "never-opened",
    "no-agent",
    "not-asked",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedPeriod:
    """What began from ``since_ms`` on; of that, the vendor still has each request from ``kept_since_ms`` on.

    Both are the beginning of a UTC day: the vendor's hours come by the day.
    """

    since_ms: int
    kept_since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenUse:
    """What a lease is charged beyond what was seen used: nobody saw its end, or it has none (``is_open``).

    ``sessions`` are the ids of those whose end nobody saw. ``stated_ms`` is what the statement says of these; None
    where it doesn't say it of each.
    """

    lease: str
    run: str
    taken_at: str
    is_open: bool
    ms: int
    micro_usd: int | None
    sessions: tuple[str, ...] = ()
    stated_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedLedger:
    """What the ledger has: the sessions of a period that went to ``target``, and some that began before it.

    ``micro_usd`` is what each of them costs by our prices, where that is known. ``run_of_tag`` and ``run_of_key`` have
    every run of the ledger, ``project_of_run`` each rehearsal whose emulator is known, by its project, ``live`` those
    that a gateway serves now. Of ``archived`` ones all or a part of what there was in the period is in an archive, and
    ``archived_requests`` has the run of each of their requests, by id. ``elsewhere`` counts the period's other
    sessions, ``dials`` are those that were refused or failed.
    """

    target: str
    sessions: Sequence[OwnSession]
    micro_usd: Mapping[str, int] = field(default_factory=dict)
    unseen: tuple[UnseenUse, ...] = ()
    run_of_tag: Mapping[str, str] = field(default_factory=dict)
    run_of_key: Mapping[str, str] = field(default_factory=dict)
    project_of_run: Mapping[str, str] = field(default_factory=dict)
    live: frozenset[str] = frozenset()
    archived: frozenset[str] = frozenset()
    archived_requests: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    dials: Sequence[OwnSession] = ()

    @property
    def tags_in_hours(self) -> frozenset[str]:
        """The tags of all runs that have ended and can be judged."""
        return frozenset(tag for tag, run in self.run_of_tag.items() if run not in self.live | self.archived)

    @property
    def ours(self) -> Ours:
        """By what rows of the statement are of runs in this ledger."""
        return Ours(tags=frozenset(self.run_of_tag), keys=frozenset(self.run_of_key))

    def run_of(self, row: VendorRow) -> str | None:
        """Return the run under whose tag or key a row is; None: under none of this ledger."""
        of_key = None if row.key_id is None else self.run_of_key.get(row.key_id)
        return of_key or next((self.run_of_tag[tag] for tag in sorted(row.tags or ()) if tag in self.run_of_tag), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodStatement:
    """The project's requests of the period, and some before it. ``failure`` is why they are not all here.

    ``not_asked`` are the ids of ours that the list lacks, and that were too many to ask for each.

    ``hours`` are the milliseconds of the whole period under the tags of runs that are not live; None: not asked for,
    since each of our rows has a duration.
    """

    rows: Sequence[VendorRow]
    hours: Reading[int] | None = None
    project: str | None = None
    failure: str | None = None
    not_asked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """So many requests, and their time together; None where that of one is not known."""

    requests: int = 0
    ms: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateError:
    """What so many sessions cost by our prices, and what the statement says."""

    sessions: int
    own_micro_usd: int
    vendor_micro_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFindings:
    """``lines`` are what is judged. Of the rest, ``left_out`` has why it isn't, ``other_ledgers`` what is under tags of
    ledgers other than this one, and ``others`` the Voice Agent's requests that are under no tag of ours.

    ``untold`` of these show no tags, and ``lost_tags`` counts sessions of ours that carried one and don't show it.
    ``overbilled`` dials never opened, and have more in the statement than they took: the time is the statement's.
    ``unreadable`` rows are under our tags or keys and have no request id. ``untimed`` sessions have a row without a
    duration, and are not in the hours. ``drift_by_key`` is by the ids of keys that were made for runs.
    """

    lines: tuple[Line, ...]
    left_out: Mapping[LeftOut, Amount]
    other_ledgers: Mapping[str, Amount]
    others: Amount
    untold: int
    lost_tags: int
    untimed: int
    overbilled: Amount
    unreadable: int
    hours: Total
    drift: Drift
    drift_by_key: Mapping[str, Drift]
    rates: tuple[TierRate, ...]
    over_midnight: Amount
    estimate: EstimateError | None
    unseen: tuple[UnseenUse, ...]
