"""Overruns as columns: of a session that was cut, and of one that was refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_dgbudget.model import Overrun


def cut_columns(overrun: Overrun | None) -> dict[str, Any]:
    """Return what is recorded of the budget that cut a session; None: none did. The session says its scope."""
    if overrun is None:
        return dict.fromkeys(("cut_currency", "cut_label", "cut_used", "cut_allowed", "cut_also_used"))
    return {
        "cut_currency": overrun.currency,
        "cut_label": overrun.label,
        "cut_used": overrun.used,
        "cut_allowed": overrun.allowed,
        "cut_also_used": overrun.also_used,
    }


def refusal_columns(overrun: Overrun) -> dict[str, Any]:
    """Return what is recorded of a budget that refused a session; where it is in money, it allows no time."""
    of_time = overrun.currency == "time"
    return {
        "scope": overrun.scope,
        "label": overrun.label,
        "currency": overrun.currency,
        "used_ms": overrun.used if of_time else overrun.also_used or 0,
        "allowed_ms": overrun.allowed if of_time else 0,
        "used_micro_usd": overrun.also_used if of_time else overrun.used,
        "allowed_micro_usd": None if of_time else overrun.allowed,
    }


def refusal_in(row: Mapping[str, Any]) -> Overrun:
    """Return the overrun that these columns stand for; those of version 5 have neither currency nor label."""
    of_time = row["currency"] != "money"
    return Overrun(
        kind="refused",
        scope=row["scope"],
        label=row["label"] or "",
        currency="time" if of_time else "money",
        used=row["used_ms"] if of_time else row["used_micro_usd"],
        allowed=row["allowed_ms"] if of_time else row["allowed_micro_usd"],
        also_used=row["used_micro_usd"] if of_time else row["used_ms"],
    )
