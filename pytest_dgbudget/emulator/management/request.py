"""The argument of every operation of the management API."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.project.billing import Project
from pytest_dgbudget.emulator.project.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Choices where the vendor's file and its guide differ.

    ``page_base`` is the number of the first page, ``wrapped`` whether a single request is inside ``{"request": …}``.
    """

    page_base: int
    wrapped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedRequest:
    """A request with a valid key; ``ids`` are those after the project's, as UUIDs are written."""

    project: Project
    style: Style
    key: Key
    query: Query
    body: bytes
    ids: tuple[str, ...]
