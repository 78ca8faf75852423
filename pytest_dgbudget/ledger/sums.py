"""How much of each budget is settled and leased: added up once, and kept while nobody else writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_dgbudget.model import Lease

# What distinguishes one scope from another: the values that its statement takes.
ScopeValues = Mapping[str, str | int | None]
Key = tuple[str | int | None, ...]


@dataclass(slots=True)
class Sum:
    """Milliseconds of one scope, and how many of its leases were cut for its sake."""

    settled_ms: int
    leased_ms: int
    cuts: int


class Sums:
    """Without it, each lease of a long run would add up all earlier ones.

    ``version`` returns a number that changes when another connection has written.
    """

    def __init__(self, version: Callable[[], int]):
        self._read_version = version
        self._version: int | None = None
        self._known: dict[Key, Sum] = {}
        self._of_lease: dict[str, tuple[Key, ...]] = {}

    def of(self, scope: ScopeValues, add_up: Callable[[ScopeValues], Sum]) -> Sum:
        """Return the sums of a scope; ``add_up`` finds them where they are not known."""
        self._forget_what_is_old()
        key = tuple(scope.values())
        if key not in self._known:
            self._known[key] = add_up(scope)
        return self._known[key]

    def leased(self, lease: Lease, *scopes: ScopeValues) -> None:
        """A lease was taken that counts in these scopes."""
        self._of_lease[lease.id] = tuple(tuple(scope.values()) for scope in scopes)
        for sum_ in self._sums_of(lease):
            sum_.leased_ms += lease.allowance_ms

    def settled(self, lease: Lease, ms: int) -> None:
        """A lease has ended."""
        for sum_ in self._sums_of(lease):
            sum_.leased_ms -= lease.allowance_ms
            sum_.settled_ms += ms
        self._of_lease.pop(lease.id, None)

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
