"""An overrun as the error that users see."""

from __future__ import annotations

from pytest_dgbudget.errors import BudgetExceeded, BudgetExhausted
from pytest_dgbudget.model import Overrun
from pytest_dgbudget.rules.budget import describe
from pytest_dgbudget.units import seconds


def overrun_error(overrun: Overrun) -> BudgetExceeded | BudgetExhausted:
    """Return BudgetExceeded for a session that was cut, BudgetExhausted for one that was refused."""
    kind = BudgetExceeded if overrun.kind == "cut" else BudgetExhausted
    return kind(
        describe(overrun),
        budget=overrun.scope,
        used_seconds=seconds(overrun.used_ms),
        allowed_seconds=seconds(overrun.allowed_ms),
    )
