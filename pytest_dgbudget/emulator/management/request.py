"""What every operation of the management API is given."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.project.billing import Project
from pytest_dgbudget.emulator.project.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Where the vendor's file and its guide differ.

    ``page_base`` is the number of the first page, ``wrapped`` whether one request comes inside ``{"request": …}``.
    """

    page_base: int
    wrapped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedRequest:
    """A request that was let in; ``ids`` are those behind the project's, as UUIDs are written."""

    project: Project
    style: Style
    key: Key
    query: Query
    body: bytes
    ids: tuple[str, ...]
