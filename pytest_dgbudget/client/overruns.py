"""An overrun, as the gateway reports it, into the error that users see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_dgbudget.errors import BudgetExceeded, BudgetExhausted
from pytest_dgbudget.units import seconds


def overrun_error(overrun: Mapping[str, Any]) -> BudgetExceeded | BudgetExhausted:
    """Return BudgetExceeded for what was cut, BudgetExhausted for what was refused."""
    kind = BudgetExceeded if overrun["kind"] == "cut" else BudgetExhausted
    return kind(
        overrun["message"],
        budget=overrun["scope"],
        used_seconds=seconds(overrun["used_ms"]),
        allowed_seconds=seconds(overrun["allowed_ms"]),
    )
