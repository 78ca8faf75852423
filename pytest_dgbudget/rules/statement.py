"""What has been read of the vendor's statement, and what could not be.

Pure: instants are milliseconds since 1970 (UTC), money is millionths of a US dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pytest_dgbudget.rules.comparison import VendorRow

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailure:
    """Why a part of the statement could not be read.

    ``temporary``: reading it again may succeed, but if ``too_late`` only after the time for which one waits now.
    ``refused``: another key, or in another project, may be answered.
    """

    reason: str
    temporary: bool
    too_late: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """One part of the statement: its last value and when that was read, and why it could not be read (again)."""

    value: T | None = None
    read_at_ms: int | None = None
    failure: ReadFailure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSnapshot:
    """What has been read of a run's part of the statement by ``taken_at_ms``.

    ``rows`` are the project's requests of the run's time, from ``listing``, the list of them (False where it is too
    long to be read whole), and ``lookups``, which ask for single requests by id; a row may be there twice.
    ``hours`` (milliseconds) and ``dollars`` are those under the run's tag or key. ``project`` is None while it is
    unknown; nothing else can be read until then.
    """

    taken_at_ms: int
    project: str | None = None
    rows: Collection[VendorRow] = ()
    listing: Reading[bool] = field(default_factory=Reading)
    lookups: Reading[None] = field(default_factory=Reading)
    hours: Reading[int] = field(default_factory=Reading)
    dollars: Reading[int] = field(default_factory=Reading)

    @property
    def is_listed_whole(self) -> bool:
        """True when no row under the run's tag has escaped us."""
        return self.listing.failure is None and self.listing.value is True

    @property
    def is_read(self) -> bool:
        """True when reading it again can only tell what the vendor has added since."""
        return self.is_looked_up and not self.has_temporary_failure

    @property
    def has_temporary_failure(self) -> bool:
        """True when a part that could not be read may be readable later."""
        return any(failure.temporary for failure in self._failures())

    @property
    def may_be_read_in_time(self) -> bool:
        """True when a part that could not be read may be readable while one waits for it."""
        return any(failure.temporary and not failure.too_late for failure in self._failures())

    @property
    def unread(self) -> tuple[str, ...]:
        """The parts that could not be read and may be later: requests (the list), sessions, hours, dollars.

        What was answered, and says nothing of the run, is none of them.
        """
        return tuple(
            name for name, part in self._parts().items() if part.failure is not None and self._may_be_read(part.failure)
        )

    def _may_be_read(self, failure: ReadFailure) -> bool:
        return failure.temporary or failure.refused or self.project is None

    def _parts(self) -> dict[str, Reading[bool] | Reading[None] | Reading[int]]:
        return {"requests": self.listing, "sessions": self.lookups, "hours": self.hours, "dollars": self.dollars}

    def _failures(self) -> Iterator[ReadFailure]:
        return (part.failure for part in self._parts().values() if part.failure is not None)

    @property
    def is_looked_up(self) -> bool:
        """True when a session without a row is really not in the statement."""
        return self.lookups.failure is None and self.lookups.read_at_ms is not None
