"""A run, as it is recorded in the ledger.

Tuples: runs in which nothing was opened end with them, and a dataclass takes three times as long to define.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_dgbudget.units import rounded_up

if TYPE_CHECKING:
    from pytest_dgbudget.model import (
        Attempt,
        Awaited,
        Bypass,
        Currency,
        MeasuredTurn,
        OtherDial,
        OtherTarget,
        Overrun,
        TurnSince,
    )


class InvocationFacts(NamedTuple):
    """``may_bypass``: a session could be dialled past the gateway unseen; None where nobody noted whether it could.

    ``is_under_way``: on a server, its gateway is known to live; elsewhere nobody else has the same run.
    """

    id: str
    budget_ms: int | None
    started_at: str
    finished_at: str | None
    exit_status: int | None
    may_bypass: int | None = None
    prices_as_of: str | None = None
    pace: str | None = None
    cost_budget_micro_usd: int | None = None
    is_under_way: bool = False


class AttemptFacts(NamedTuple):
    """``refused`` counts every refusal, ``refused_untolerated`` those that the user didn't ask to skip.

    ``target`` is where it was dialled; None: where its run was.
    """

    id: str
    invocation: str
    nodeid: str
    number: int
    target: OtherTarget | None
    left_ms: int | None
    outcome: str | None
    waited_ms: int
    refused: int
    refused_untolerated: int
    path: str | None = None
    cost_left_micro_usd: int | None = None
    waited_for: Awaited | None = None


class RefusalFacts(NamedTuple):
    """The first refusal of an attempt by one budget."""

    attempt: str
    overrun: Overrun


def share_of(micro_usd: int, ms: int, allowance_ms: int) -> int:
    """What ``ms`` of a lease cost at the price at which all of it was set aside, rounded up."""
    return rounded_up(micro_usd * ms, allowance_ms)


class LeaseFacts(NamedTuple):
    """``how`` and ``ended_ms`` are None while the lease is open. ``currency`` is that which is used up first.

    ``stated_ms`` is what the statement says of a lease whose end nobody here saw. Millionths of a dollar are None where
    no price was recorded.
    """

    id: str
    attempt: str
    allowance_ms: int
    how: str | None
    ended_ms: int | None
    stated_ms: int | None
    micro_usd: int | None = None
    ended_micro_usd: int | None = None
    currency: Currency | None = None

    @property
    def charged_ms(self) -> int:
        """What it is charged: by the statement, by its end, or in full while it may still be used up."""
        known = self.ended_ms if self.stated_ms is None else self.stated_ms
        return self.allowance_ms if known is None else known

    @property
    def charged_micro_usd(self) -> int | None:
        """What that costs; None where no price was recorded.

        A statement corrects the time alone: at the price at which all of it was set aside. Where that was less than all
        of the time may cost, a part of the time may have cost the whole.
        """
        if self.how is not None and (self.stated_ms is None or self.currency == "money"):
            return self.ended_micro_usd
        if self.micro_usd is None or self.stated_ms is None:
            return self.micro_usd
        return share_of(self.micro_usd, self.stated_ms, self.allowance_ms)


class SessionFacts(NamedTuple):
    """One dial; ``usage`` is None while it is open, ``handshake_ms`` None when it never opened.

    ``target`` is where it went; None: where its run did. ``tier`` is its last one, ``only_tier`` the one that it
    had from beginning to end; None where that changed, is an estimate, or isn't known.
    ``tagged``: the vendor accepted the Settings with the run's tag; None when nobody saw whether it did.
    ``run_key`` is the id of the run's key with which it was dialled; None: with the given key. ``vendor_reports``: how
    many of the vendor's LatencyReports had a total; None where nobody noted them.
    ``replayed_from`` is the folder of its test's cassettes where it was replayed; None: it was dialled. ``cassette`` is
    the one that its Settings chose, or that was made of it, ``cassette_recorded_at`` when the former was recorded, and
    ``mismatch`` what its client did otherwise, as JSON. Folders are relative to the rootdir.
    """

    id: str
    target: OtherDial | None
    opened_at: str
    lease: str
    attempt: str
    usage: str | None
    request_id: str | None
    closed_at: str | None
    ms: int | None
    handshake_ms: int | None
    audio_in_ms: int | None
    audio_out_ms: int | None
    closed_by: str | None
    close_code: int | None
    confirmed: int | None
    tagged: int | None
    reason: str | None = None
    closing_ms: int | None = None
    tier: str | None = None
    micro_usd: int | None = None
    estimated: int | None = None
    greeting_ms: int | None = None
    skipped_ms: int | None = None
    forecast_micro_usd: int | None = None
    forecast_cut: int | None = None
    only_tier: str | None = None
    run_key: str | None = None
    cut_currency: Currency | None = None
    cut_label: str | None = None
    cut_used: int | None = None
    cut_allowed: int | None = None
    cut_also_used: int | None = None
    vendor_reports: int | None = None
    replayed_from: str | None = None
    cassette: str | None = None
    cassette_recorded_at: str | None = None
    mismatch: str | None = None

    @property
    def replay_result(self) -> Literal["hit", "miss", "recorded"] | None:
        """What it has to do with a cassette: it was replayed as recorded, or otherwise, or one was made of it.

        None also of a replay of which that is not known: it is under way, its gateway died, or no Settings came.
        """
        if self.mismatch is not None:
            return "miss"
        if self.cassette is None:
            return None
        return "recorded" if self.replayed_from is None else "hit"

    @property
    def is_replay(self) -> bool:
        """Whether a cassette played it, and nothing was dialled."""
        return self.replayed_from is not None

    @property
    def cut(self) -> Overrun | None:
        """The overrun for which a budget cut it; None where none did, or its figures are not known."""
        from pytest_dgbudget.model import Overrun
        from pytest_dgbudget.rules.attempts import scope_of_cut

        scope = scope_of_cut(self.closed_by)
        if scope is None or self.cut_used is None or self.cut_allowed is None:
            return None
        return Overrun(
            kind="cut",
            scope=scope,
            label=self.cut_label or "",
            currency=self.cut_currency or "time",
            used=self.cut_used,
            allowed=self.cut_allowed,
            also_used=self.cut_also_used,
        )

    @property
    def may_have_opened(self) -> bool:
        """Whether it opened, or nobody saw whether it did."""
        return self.handshake_ms is not None or self.ms is None

    @property
    def forecast_ms(self) -> int | None:
        """What it would have taken without skipping anything; None where that is not known."""
        if self.ms is None or self.skipped_ms is None:
            return None
        return self.ms + self.skipped_ms


class RunKeyFacts(NamedTuple):
    """A key that was made for a run, by its id at the vendor; ``ended_at`` is None while nobody has deleted it."""

    id: str
    run: str
    made_at: str
    ended_at: str | None


class TurnFacts(NamedTuple):
    """A turn of a session, which ``rules.latency`` describes; truths are 0 and 1."""

    session: str
    attempt: str
    started_ms: int
    since: TurnSince
    answered_ms: int | None
    overlapped: int
    unpaced: int
    continued: int
    function_ms: int

    @property
    def measured(self) -> MeasuredTurn:
        """The same, as a gateway measured it."""
        from pytest_dgbudget.model import MeasuredTurn

        marks = {"overlapped": bool(self.overlapped), "unpaced": bool(self.unpaced), "continued": bool(self.continued)}
        return MeasuredTurn(
            started_ms=self.started_ms,
            since=self.since,
            answered_ms=self.answered_ms,
            function_ms=self.function_ms,
            **marks,
        )

    @property
    def latency_ms(self) -> int | None:
        """The silence before the answer; None without one."""
        return None if self.answered_ms is None else self.answered_ms - self.started_ms


class VendorLatencyFacts(NamedTuple):
    """What one of the vendor's LatencyReports has as total."""

    session: str
    attempt: str
    ms: int


class ViolationFacts(NamedTuple):
    """An order rule that a session broke, ``at_ms`` after its dial."""

    session: str
    rule: str
    at_ms: int
    what: str


class ArchivedPart(NamedTuple):
    """What there was of a run until ``ended_at``, and is in an archive: the name of its ``file``, and what it came to.

    ``micro_usd`` is None where the price of a part was not recorded. ``replays`` are apart from its ``sessions``.
    """

    file: str
    at: str
    ended_at: str
    sessions: int
    ms: int
    micro_usd: int | None
    replays: int = 0
    saved_ms: int = 0
    saved_micro_usd: int = 0


class RunFacts(NamedTuple):
    """``reconciliation`` is the last one, as usage.json has it; None before the first.

    ``bypasses`` are the sessions past the gateway that somebody saw.
    """

    id: str
    target: str
    billed: bool
    tag: str
    invocations: tuple[InvocationFacts, ...]
    attempts: tuple[AttemptFacts, ...]
    leases: tuple[LeaseFacts, ...]
    sessions: tuple[SessionFacts, ...]
    reconciliation: Mapping[str, Any] | None
    bypasses: tuple[Bypass, ...] = ()
    turns: tuple[TurnFacts, ...] = ()
    violations: tuple[ViolationFacts, ...] = ()
    run_keys: tuple[RunKeyFacts, ...] = ()
    archived: tuple[ArchivedPart, ...] = ()
    refusals: tuple[RefusalFacts, ...] = ()
    vendor_latencies: tuple[VendorLatencyFacts, ...] = ()

    def with_statement(self, reconciliation: Mapping[str, Any], stated_ms: Mapping[str, int]) -> RunFacts:
        """Return these as they are once a result is recorded; ``stated_ms``: what leases are charged by it."""
        leases = (lease._replace(stated_ms=stated_ms.get(lease.id, lease.stated_ms)) for lease in self.leases)
        return self._replace(leases=tuple(leases), reconciliation=reconciliation)

    def own_keys_alone(self) -> frozenset[str]:
        """Return the keys of its own with which all of its sessions were dialled; none where one of them was not."""
        own = self.of_own_target().sessions
        used = {session.run_key for session in own if session.may_have_opened}
        return frozenset() if None in used else frozenset(key for key in used if key is not None)

    def others_under_way(self) -> frozenset[str]:
        """Return the attempts of invocations that go on beside one that has ended: what they have open is theirs."""
        under_way = {each.id for each in self.invocations if each.is_under_way}
        return frozenset(attempt.id for attempt in self.attempts if attempt.invocation in under_way)

    def under_way(self) -> RunFacts:
        """Return these of a run that is known to go on: in a file of a ledger, none but the last invocation can."""
        *before, last = self.invocations
        if last.finished_at is not None or any(each.is_under_way for each in self.invocations):
            return self
        return self._replace(invocations=(*before, last._replace(is_under_way=True)))

    def of_own_target(self) -> RunFacts:
        """Return these without what tests used elsewhere, which counts in no figure of the run."""
        own = {attempt.id for attempt in self.attempts if attempt.target is None}
        sessions = tuple(session for session in self.sessions if session.target is None)
        opened = {session.id for session in sessions}
        return self._replace(
            leases=tuple(lease for lease in self.leases if lease.attempt in own),
            sessions=sessions,
            turns=tuple(turn for turn in self.turns if turn.session in opened),
        )


class KnownAttempt(NamedTuple):
    """What a gateway that takes over from a dead one must know of an attempt: what is settled, in milliseconds and in
    millionths of a dollar (None: not known), and its overruns, with one for all refusals of a scope.

    ``orphaned_ms``: charged for leases whose end nobody saw; None when there are none.
    """

    attempt: Attempt
    settled_ms: int
    settled_micro_usd: int | None
    orphaned_ms: int | None
    sessions: Sequence[SessionFacts]
    turns: Sequence[TurnFacts]
    vendor_latencies: Sequence[VendorLatencyFacts]
    overruns: Sequence[Overrun]
    refused: int
    bypasses: Sequence[Bypass]
