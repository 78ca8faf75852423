"""The overruns of one attempt."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_dgbudget.model import Currency, Overrun, ScopeName

# What distinguishes one budget from another: its scope, its label and its currency.
Budget = tuple[ScopeName, str, Currency]


class Overruns:
    """``all`` has one for all refusals of a budget: a client may connect again and again. ``refused`` counts these."""

    def __init__(self, known: Sequence[Overrun] = (), refused: int = 0) -> None:
        self.all = list(known)
        self.refused = refused
        self._refused_again: dict[Budget, int] = {}

    def refuse(self, overrun: Overrun) -> bool:
        """Note that a budget refused a session; return whether it was the first that this one refused."""
        self.refused += 1
        budget = _budget_of(overrun)
        if budget in map(_budget_of, self._refusals()):
            self._refused_again[budget] = self._refused_again.get(budget, 0) + 1
            return False
        self.all.append(overrun)
        return True

    def take_refused_again(self) -> list[tuple[Overrun, int]]:
        """Return, once, how many more each budget has refused after the first."""
        again, self._refused_again = self._refused_again, {}
        return [(each, again[_budget_of(each)]) for each in self._refusals() if _budget_of(each) in again]

    def _refusals(self) -> list[Overrun]:
        return [overrun for overrun in self.all if overrun.kind == "refused"]


def _budget_of(overrun: Overrun) -> Budget:
    return overrun.scope, overrun.label, overrun.currency
