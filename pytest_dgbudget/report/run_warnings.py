"""What is to be known of a run although it fails nothing: a budget nearly used up, an archived part, old prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_dgbudget.instants import days_between
from pytest_dgbudget.ledger.facts import ArchivedPart, RunFacts, SessionFacts
from pytest_dgbudget.report.charged import charged_micro_usd, charged_ms
from pytest_dgbudget.report.document import SoftWarning, WarningKind
from pytest_dgbudget.rules.soft_warnings import UsedBudget, nearly_used_up, old_prices
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
