"""By what a part of the project's hours and dollars is asked for: tags of runs, or a key that was made for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_dgbudget.errors import ReconciliationError

_NOT_SHOWN = "the breakdown shows no {}, so {} can't be told apart from the project's other traffic"
# One group of a breakdown.
Group = dict[str, Any]


class StatementPart(Protocol):
    """What a breakdown is asked for, and which of its groups belong to it."""

    @property
    def query(self) -> list[tuple[str, str]]: ...

    @property
    def may_be_forgotten(self) -> bool:
        """True where an answer without any group may be one about something that the vendor no longer knows."""
        ...

    def groups_in(self, breakdown: Sequence[Group]) -> list[Group]:
        """Return the groups that belong to it; raises ReconciliationError where they don't show that."""
        ...


@dataclass(frozen=True, slots=True)
class TagPart:
    """What carries a tag."""

    tag: str
    may_be_forgotten = False

    @property
    def query(self) -> list[tuple[str, str]]:
        return [("grouping", "tags"), ("tag", self.tag)]

    def groups_in(self, breakdown: Sequence[Group]) -> list[Group]:
        groups = [(_tags_of(group), group) for group in breakdown]
        if any(tags is None for tags, _ in groups):
            raise ReconciliationError(_NOT_SHOWN.format("tags", "the run's sessions"))
        return [group for tags, group in groups if tags is not None and self.tag in tags]


@dataclass(frozen=True, slots=True)
class TagsPart:
    """What carries one of these tags, or several: all is asked for, so there are groups without tags as well."""

    tags: frozenset[str]
    may_be_forgotten = False

    @property
    def query(self) -> list[tuple[str, str]]:
        return [("grouping", "tags")]

    def groups_in(self, breakdown: Sequence[Group]) -> list[Group]:
        groups = [(_tags_of(group), group) for group in breakdown]
        if groups and not any(tags for tags, _ in groups):
            raise ReconciliationError(_NOT_SHOWN.format("tags", "these runs"))
        return [group for tags, group in groups if tags is not None and not self.tags.isdisjoint(tags)]


@dataclass(frozen=True, slots=True)
class KeyPart:
    """What was dialled with a key; ``may_be_forgotten``: the key was deleted."""

    key_id: str
    may_be_forgotten: bool

    @property
    def query(self) -> list[tuple[str, str]]:
        return [("grouping", "accessor"), ("accessor", self.key_id)]

    def groups_in(self, breakdown: Sequence[Group]) -> list[Group]:
        groups = [(_grouping(group).get("accessor"), group) for group in breakdown]
        if not all(isinstance(accessor, str) for accessor, _ in groups):
            raise ReconciliationError(_NOT_SHOWN.format("keys", "the run's sessions"))
        return [group for accessor, group in groups if accessor == self.key_id]


def _tags_of(group: Group) -> list[str] | None:
    """Return a group's whole set of tags; None where it shows none."""
    tags = _grouping(group).get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else None


def _grouping(group: Group) -> dict[str, Any]:
    grouping = group.get("grouping")
    return grouping if isinstance(grouping, dict) else {}
