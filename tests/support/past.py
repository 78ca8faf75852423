"""Runs of the past in a ledger, written by the product itself."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import OtherTarget, UsageRecord
from tests.support.ledger import leased, open_ledger, usage

MICRO_USD_PER_SECOND = 1250


def live_run(address: Path | str, name: str, **others: Any) -> Ledger:
    """Enter an invocation of a live run, whose tag is ``dgbudget-NAME``."""
    known = {"id": f"invocation of {name}", "run": name, "tag": f"dgbudget-{name}", "target": "live", "billed": True}
    return open_ledger(address, **{**known, "budget_ms": 3_600_000, **others})


def spend(ledger: Ledger, ms: int = 1000, target: OtherTarget | None = None, **others: Any) -> str:
    """Open a session and end it; return its id, which ``request_of`` makes its request's."""
    lease = leased(ledger, ledger.begin_attempt("test", "", None, target))
    dial = ledger.record_dial(lease, target)
    ledger.record_welcome(dial, request_of(dial), 80)
    record = record_of(dial, ms, **others)
    ledger.record_usage(record)
    ledger.settle(lease, ms, record.micro_usd)
    return dial


def lose(ledger: Ledger, budget_ms: int = 10_000) -> str:
    """Open a session whose end nobody sees; what ends its lease is the next run."""
    dial = ledger.record_dial(leased(ledger, ledger.begin_attempt("lost", "", budget_ms)))
    ledger.record_welcome(dial, request_of(dial), 80)
    return dial


def record_of(dial: str, ms: int | None, **others: Any) -> UsageRecord:
    known = {field.name: getattr(usage(dial, ms), field.name) for field in fields(UsageRecord)}
    cost = None if ms is None else ms * MICRO_USD_PER_SECOND // 1000
    return UsageRecord(
        **{**known, "request_id": request_of(dial), "micro_usd": cost, "tier": "standard", "closing_ms": 20, **others}
    )


def request_of(dial: str) -> str:
    return f"request-{dial}"
