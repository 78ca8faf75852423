"""The bill as lines of JSON, and what is read of them by an emulator that continues for one that has died.

A tied emulator writes a line for each change of a session; its holder keeps the last one of each and hands them on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pytest_dgbudget.emulator.project.billing import UsageRecord
from pytest_dgbudget.emulator.project.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What an emulator left: its port, key and project, and for each of its sessions the last line.

    Sessions that were open ended when it did.
    """

    port: int
    project_id: str
    api_key: str = field(repr=False)
    died_at: datetime
    sessions: Sequence[Mapping[str, Any]]

    def records(self, clock: Clock) -> list[UsageRecord]:
        """Return the bill, for a project with this clock."""
        return [self._record(each, session["open"], clock) for session in self.sessions for each in session["records"]]

    def _record(self, fields: Mapping[str, Any], is_open: bool, clock: Clock) -> UsageRecord:
        created, settles = (datetime.fromisoformat(fields[name]) for name in ("created", "settles_at"))
        settles_at = clock.seconds() + (settles - clock.now()).total_seconds()
        known = {**fields, "created": created, "settles_at": settles_at, "tags": tuple(fields["tags"])}
        record = UsageRecord(**known)
        if not is_open:
            return record
        return replace(record, milliseconds=max(0, round((self.died_at - created) / timedelta(milliseconds=1))))


def session_line(request_id: str, records: Sequence[UsageRecord], clock: Clock, *, is_open: bool) -> str:
    """Return a session's line: the records that it has in the bill, or would have if it ended now."""
    return json.dumps(
        {"request_id": request_id, "open": is_open, "records": [_fields(each, clock) for each in records]}
    )


def read_continuation(line: str) -> Continuation:
    """Return what was handed on; raises ValueError, KeyError or TypeError."""
    given = json.loads(line)
    return Continuation(
        port=given["port"],
        project_id=given["project_id"],
        api_key=given["api_key"],
        died_at=datetime.fromisoformat(given["died_at"]),
        sessions=given["sessions"],
    )


def _fields(record: UsageRecord, clock: Clock) -> dict[str, Any]:
    settles = clock.now() + timedelta(seconds=record.settles_at - clock.seconds())
    return {**asdict(record), "created": record.created.isoformat(), "settles_at": settles.isoformat()}
