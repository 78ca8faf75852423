"""The budgets of dgbudget.toml, as a ledger counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_dgbudget.model import PathBudget, WindowBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBudgets:
    """Windows, which all billed runs of a ledger share, and paths, which tests of a run share.

    ``sessions``: how many may be open at once over all billed runs of the ledger; None: as many as the runs want.
    """

    windows: Sequence[WindowBudget] = ()
    paths: Sequence[PathBudget] = ()
    sessions: int | None = None

    def of_path(self, glob: str | None) -> PathBudget | None:
        """Return the budget with this glob; None where there is none."""
        return next((budget for budget in self.paths if budget.glob == glob), None)


NONE_SHARED = SharedBudgets()
