"""A run as the ledger knows it: rows in, records out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.ledger import sql


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationFacts:
    id: str
    budget_ms: int | None
    started_at: str
    finished_at: str | None
    exit_status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """``refused`` counts every refusal, ``refused_untolerated`` those that the user didn't ask to skip."""

    id: str
    invocation: str
    nodeid: str
    number: int
    left_ms: int | None
    outcome: str | None
    waited_ms: int
    refused: int
    refused_untolerated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFacts:
    """``how`` and ``ended_ms`` are None while the lease is open.

    ``stated_ms`` is what the statement has of a lease whose end nobody here saw.
    """

    id: str
    attempt: str
    allowance_ms: int
    how: str | None
    ended_ms: int | None
    stated_ms: int | None

    @property
    def charged_ms(self) -> int:
        """What it costs: by the statement, by its end, or in full while it may still be used up."""
        known = self.ended_ms if self.stated_ms is None else self.stated_ms
        return self.allowance_ms if known is None else known


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """One dial; ``usage`` is None while it is open, ``handshake_ms`` None when it never opened.

    ``tagged``: the vendor took the Settings with the run's tag; None where nobody saw whether it did.
    """

    id: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """``reconciliation`` is the last one, as usage.json has it; None before there was any."""

    id: str
    target: str
    billed: bool
    tag: str
    invocations: tuple[InvocationFacts, ...]
    attempts: tuple[AttemptFacts, ...]
    leases: tuple[LeaseFacts, ...]
    sessions: tuple[SessionFacts, ...]
    reconciliation: Mapping[str, Any] | None


def read_facts(rows: Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]], run: str) -> RunFacts:
    """Read one run; call within a transaction so that the figures agree with one another."""
    of_run = {"run": run}
    ((id_, target, billed, tag),) = rows(sql.RUN, of_run)
    return RunFacts(
        id=id_,
        target=target,
        billed=bool(billed),
        tag=tag,
        invocations=records(InvocationFacts, rows(sql.INVOCATIONS, of_run)),
        attempts=records(AttemptFacts, rows(sql.ATTEMPTS, of_run)),
        leases=records(LeaseFacts, rows(sql.LEASES, of_run)),
        sessions=records(SessionFacts, rows(sql.SESSIONS, of_run)),
        reconciliation=next((json.loads(document) for (document,) in rows(sql.RECONCILIATION, of_run)), None),
    )


def records(kind: type[Any], rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Each statement selects its columns in the order of the record's fields."""
    return tuple(kind(**dict(zip(kind.__slots__, row, strict=True))) for row in rows)
