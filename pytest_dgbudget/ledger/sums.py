"""How much of each budget is settled and leased: added up once, and kept while nobody else writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pytest_dgbudget.model import Lease


class SummedScope(NamedTuple):
    """What one budget counts: its name among closed sums, and the statement that adds it up, with its values.

    ``closes``: whether there may be a closed sum of it.
    """

    key: str
    statement: str
    values: Mapping[str, str]
    closes: bool = True


@dataclass(slots=True, kw_only=True)
class Sum:
    """What has become of one scope, in milliseconds and millionths of a dollar; ``unpriced_ms`` has no price.

    ``cut_budget_ms`` and ``cut_budget_micro_usd`` are the largest budgets of it that have cut a session; None: none
    has. ``leases`` counts those that were added up.
    """

    settled_ms: int = 0
    leased_ms: int = 0
    settled_micro_usd: int = 0
    leased_micro_usd: int = 0
    unpriced_ms: int = 0
    cut_budget_ms: int | None = None
    cut_budget_micro_usd: int | None = None
    leases: int = 0

    def add(self, other: Sum) -> None:
        """Add what came to the same scope at another time."""
        self.settled_ms += other.settled_ms
        self.leased_ms += other.leased_ms
        self.settled_micro_usd += other.settled_micro_usd
        self.leased_micro_usd += other.leased_micro_usd
        self.unpriced_ms += other.unpriced_ms
        self.cut_budget_ms = largest(self.cut_budget_ms, other.cut_budget_ms)
        self.cut_budget_micro_usd = largest(self.cut_budget_micro_usd, other.cut_budget_micro_usd)
        self.leases += other.leases


def largest(*budgets: int | None) -> int | None:
    """Return the largest of what is known; None where nothing is."""
    return max((each for each in budgets if each is not None), default=None)


class Sums:
    """Without it, each lease of a long run would add up all earlier ones.

    ``version`` returns a number that changes when another connection has written.
    """

    def __init__(self, version: Callable[[], int]):
        self._read_version = version
        self._version: int | None = None
        self._known: dict[str, Sum] = {}
        self._of_lease: dict[str, tuple[str, ...]] = {}

    def of(self, key: str, add_up: Callable[[], Sum]) -> Sum:
        """Return the sums of the scope with this key; ``add_up`` finds them where they are not known."""
        self._forget_what_is_old()
        if key not in self._known:
            self._known[key] = add_up()
        return self._known[key]

    def leased(self, lease: Lease, keys: Iterable[str]) -> None:
        """A lease was taken that counts in the scopes with these keys."""
        self._of_lease[lease.id] = tuple(keys)
        for sum_ in self._sums_of(lease):
            sum_.leased_ms += lease.allowance_ms
            sum_.leased_micro_usd += lease.micro_usd

    def settled(self, lease: Lease, ms: int, micro_usd: int | None) -> None:
        """A lease has ended."""
        for sum_ in self._sums_of(lease):
            sum_.leased_ms -= lease.allowance_ms
            sum_.leased_micro_usd -= lease.micro_usd
            sum_.settled_ms += ms
            sum_.settled_micro_usd += micro_usd or 0
            sum_.unpriced_ms += ms if micro_usd is None else 0
        self._of_lease.pop(lease.id, None)

    def leases_of(self, key: str) -> int:
        """Return how many leases were added up for the scope with this key."""
        return self._known[key].leases if key in self._known else 0

    def forget(self) -> None:
        """Add up everything again: something else has changed, or was not written after all."""
        self._known.clear()

    def _sums_of(self, lease: Lease) -> list[Sum]:
        return [self._known[key] for key in self._of_lease.get(lease.id, ()) if key in self._known]

    def _forget_what_is_old(self) -> None:
        version = self._read_version()
        if version != self._version:
            self._version = version
            self.forget()
