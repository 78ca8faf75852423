"""Shards: the runs whose reports are merged. Which reports are of one shard, and which of these says most. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.report.document import UsageDocument


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard:
    """The document of one run, and the file that it was read from."""

    file: str
    document: UsageDocument

    @property
    def run_id(self) -> str:
        return self.document["run"]["id"]

    @property
    def session_ids(self) -> frozenset[str]:
        return frozenset(session["id"] for session in self.document["sessions"])

    @property
    def begun(self) -> tuple[str, str]:
        """What all reports of one run in one ledger have in common, also those without a session."""
        return self.document["run"]["started_at"], self.run_id


def shards_in(file: str, document: UsageDocument) -> list[Shard]:
    """Return the runs that a merged document was made of, as they were; of any other, the one that it is."""
    merged: Mapping[str, Any] = cast(Mapping[str, Any], document)
    if "shards" not in merged:
        return [Shard(file=file, document=document)]
    return [
        Shard(
            file=file,
            document=cast(
                UsageDocument,
                {
                    "schema": merged["schema"],
                    **shard,
                    "tests": _without_number(merged["tests"], number),
                    "sessions": _without_number(merged["sessions"], number),
                },
            ),
        )
        for number, shard in enumerate(merged["shards"])
    ]


def _without_number(entries: Iterable[Mapping[str, Any]], number: int) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in entry.items() if name != "shard"}
        for entry in entries
        if entry["shard"] == number
    ]


def distinct(reports: Iterable[Shard]) -> list[Shard]:
    """Return one report of each shard, the one that says most, by their start. Raises SettingsError.

    Reports are of one shard if they have a session in common: a copy, or one that was written before the run went on or
    its statement was read. Those without a session are told by the run's id and start.
    """
    reports = list(reports)
    kept = [_fullest(group) for group in _sharing_sessions(each for each in reports if each.session_ids)]
    served = {shard.begun for shard in kept}
    idle: dict[tuple[str, str], list[Shard]] = {}
    for shard in reports:
        if not shard.session_ids and shard.begun not in served:
            idle.setdefault(shard.begun, []).append(shard)
    kept += map(_fullest, idle.values())
    return sorted(kept, key=lambda shard: (*shard.begun, min(shard.session_ids, default="")))


def _sharing_sessions(reports: Iterable[Shard]) -> list[list[Shard]]:
    group_of: dict[str, list[Shard]] = {}
    for shard in reports:
        met = {id(group): group for session in shard.session_ids if (group := group_of.get(session)) is not None}
        group = [shard, *(each for group in met.values() for each in group)]
        group_of.update((session, group) for each in group for session in each.session_ids)
    return list({id(group): group for group in group_of.values()}.values())


def _fullest(reports: Sequence[Shard]) -> Shard:
    if len(reports) == 1:
        return reports[0]
    fullest = max(reports, key=_how_much_it_says)
    for shard in reports:
        if not shard.session_ids <= fullest.session_ids:
            raise SettingsError(
                f"{shard.file} and {fullest.file} share sessions, and each has some that the other lacks, so they "
                "can't be reports of one run: merge them with the reports of the runs that they belong to"
            )
    return fullest


def _how_much_it_says(shard: Shard) -> tuple[object, ...]:
    """What a run's reports have only grows: sessions, tests and their ends, what the statement says, its own end.

    That may be unknown in an earlier one because another job of the run was still at work.
    """
    document = shard.document
    return (
        len(document["sessions"]),
        len(document["tests"]),
        sum(session["closed_by"] is not None for session in document["sessions"]),
        sum(test["outcome"] is not None for test in document["tests"]),
        document["reconciliation"]["checked_at"] or "",
        document["run"]["finished_at"] or "",
        json.dumps(document, sort_keys=True),
    )
