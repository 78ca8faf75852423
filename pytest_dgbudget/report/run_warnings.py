"""What is to be known of a run although it fails nothing: a budget nearly used up, an archived part, what is old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_dgbudget.instants import days_between, epoch_ms
from pytest_dgbudget.ledger.facts import ArchivedPart, RunFacts, SessionFacts
from pytest_dgbudget.report.charged import charged_micro_usd, charged_ms
from pytest_dgbudget.report.document import SoftWarning, WarningKind
from pytest_dgbudget.rules.soft_warnings import UsedBudget, UsedCassette, nearly_used_up, old_cassettes, old_prices
from pytest_dgbudget.units import counted, seconds

if TYPE_CHECKING:
    from pytest_dgbudget.model import Currency, ScopeName

_KINDS: Mapping[ScopeName, WarningKind] = {"run": "run-budget", "path": "path-budget", "window": "window-budget"}


def warnings_of(facts: RunFacts, shared: Sequence[UsedBudget]) -> Iterator[SoftWarning]:
    """Yield the warnings of a run; ``shared`` are the budgets of dgbudget.toml."""
    for scope, text in nearly_used_up((*_budgets(facts), *shared)):
        yield {"kind": _KINDS[scope], "text": text}
    for part in facts.archived:
        yield {"kind": "archived", "text": _archived(part)}
    last = facts.invocations[-1]
    if last.prices_as_of is None or not facts.sessions:  # no money is shown
        return
    old = old_prices(last.prices_as_of, days_between(last.prices_as_of, last.started_at))
    if old is not None:
        yield {"kind": "prices", "text": old}


def old_cassettes_of(facts: RunFacts, max_age_ms: int, now: str) -> str | None:
    """Return a sentence on cassettes that were replayed and are older than they may be; None where none is."""
    nodeids = {attempt.id: attempt.nodeid for attempt in facts.attempts}
    used = [
        UsedCassette(session.cassette, epoch_ms(now) - epoch_ms(session.cassette_recorded_at), nodeids[session.attempt])
        for session in facts.sessions
        if session.cassette is not None and session.cassette_recorded_at is not None
    ]
    return old_cassettes(used, max_age_ms)


def _archived(part: ArchivedPart) -> str:
    used = f"{seconds(part.ms):.2f}s in {counted(part.sessions, 'session')}"
    return f"{used} of this run, until {part.ended_at[:10]}, are counted and not listed: {part.file} has them"


def _budgets(facts: RunFacts) -> Iterator[UsedBudget]:
    """Yield the run's own budgets, and what is used of each, where that is known."""
    last, own = facts.invocations[-1], facts.of_own_target()
    amounts: tuple[tuple[Currency, int | None, int | None], ...] = (
        ("time", charged_ms(own), last.budget_ms),
        ("money", charged_micro_usd(own), last.cost_budget_micro_usd),
    )
    for currency, used, allowed in amounts:
        if used is not None and allowed is not None:
            has_cut = any(_was_cut_by_run(session, currency) for session in own.sessions)
            yield UsedBudget("run", currency, used, allowed, has_overrun=has_cut)


def _was_cut_by_run(session: SessionFacts, currency: Currency) -> bool:
    return session.closed_by == "run-budget" and (session.cut_currency or "time") == currency
