"""By what a part of the project's hours and dollars is asked for: a run's tag, or a key that was made for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_dgbudget.errors import ReconciliationError

_NOT_SHOWN = "the breakdown shows no {}, so the run's sessions can't be told apart from the project's other traffic"


class StatementPart(Protocol):
    """What a breakdown is asked for, and which of its groups belong to it."""

    @property
    def query(self) -> list[tuple[str, str]]: ...

    @property
    def may_be_forgotten(self) -> bool:
        """True where an answer without any group may be one about something that the vendor no longer knows."""
        ...

    def has(self, entry: Mapping[str, Any]) -> bool:
        """Return whether a group belongs to it; raises ReconciliationError where the group doesn't show that."""
        ...


@dataclass(frozen=True, slots=True)
class TagPart:
    """What carries a tag."""

    tag: str
    may_be_forgotten = False

    @property
    def query(self) -> list[tuple[str, str]]:
        return [("grouping", "tags"), ("tag", self.tag)]

    def has(self, entry: Mapping[str, Any]) -> bool:
        tags = _grouping(entry).get("tags")
        if not isinstance(tags, list):
            raise ReconciliationError(_NOT_SHOWN.format("tags"))
        return self.tag in tags


@dataclass(frozen=True, slots=True)
class KeyPart:
    """What was dialled with a key; ``may_be_forgotten``: the key was deleted."""

    key_id: str
    may_be_forgotten: bool

    @property
    def query(self) -> list[tuple[str, str]]:
        return [("grouping", "accessor"), ("accessor", self.key_id)]

    def has(self, entry: Mapping[str, Any]) -> bool:
        accessor = _grouping(entry).get("accessor")
        if not isinstance(accessor, str):
            raise ReconciliationError(_NOT_SHOWN.format("keys"))
        return accessor == self.key_id


def _grouping(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    grouping = entry.get("grouping")
    return grouping if isinstance(grouping, dict) else {}
