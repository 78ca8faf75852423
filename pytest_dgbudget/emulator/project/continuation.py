"""The bill as lines of JSON, and what is read of them by an emulator that continues for one that has died.

A tied emulator writes a line for each change of a session; its holder keeps the last one of each and hands them on.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pytest_dgbudget.emulator.project.billing import UsageRecord
from pytest_dgbudget.emulator.project.clock import Clock

LONGEST_LINE = 512 * 1024  # bytes; the gateway reads lines of up to 1 MiB

# What is beyond these is left out of the line, and so of the bill of who continues; who writes it has it all.
_MOST_OF_TAGS = 256 * 1024  # bytes of JSON
_MOST_RECORDS = 500  # of less than 512 bytes each


class BadContinuation(ValueError):
    """A line by which no emulator can continue."""


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
        return [record for session in self.sessions for record in self._records(session, clock)]

    def _records(self, session: Mapping[str, Any], clock: Clock) -> list[UsageRecord]:
        tags, further_price = tuple(session["tags"]), session["further_price"]
        records = [_record(fields, tags, clock) for fields in session["records"]]
        return records if further_price is None else [self._ended(record, further_price) for record in records]

    def _ended(self, record: UsageRecord, further_price: float) -> UsageRecord:
        """Return the record of a session that went on, at this price, until its emulator died."""
        further = max(0, round((self.died_at - record.completed) / timedelta(milliseconds=1)))
        milliseconds = record.milliseconds + further
        if not further:
            return record
        price = (record.milliseconds * record.price + further * further_price) / milliseconds
        return replace(record, milliseconds=milliseconds, price=price)


def session_line(request_id: str, records: Sequence[UsageRecord], further_price: float | None, clock: Clock) -> str:
    """Return a session's line: the records that it has in the bill, or would have if it ended now, and their tags.

    ``further_price`` is in USD per minute; None for a session that has ended.
    """
    return json.dumps(
        {
            "request_id": request_id,
            "further_price": further_price,
            "tags": _bounded(records[0].tags if records else ()),  # those of one session have the same
            "records": [_fields(record, clock) for record in records[:_MOST_RECORDS]],
        }
    )


def read_continuation(line: str) -> Continuation:
    """Return what was handed on; raises BadContinuation."""
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise BadContinuation("it is not JSON") from None
    try:
        continuation = Continuation(
            port=_port(given["port"]),
            project_id=str(uuid.UUID(given["project_id"])),
            api_key=given["api_key"],
            died_at=datetime.fromisoformat(given["died_at"]),
            sessions=given["sessions"],
        )
        continuation.records(Clock())  # so that what is wrong with them is said here
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadContinuation(f"{type(error).__name__}: {error}") from None
    return continuation


def _port(value: Any) -> int:
    if not isinstance(value, int) or not 0 < value < 2**16:
        raise ValueError("the port is not a number from 1 to 65535")
    return value


def _bounded(tags: Sequence[str]) -> list[str]:
    """Return the tags that have room in a line, in their order."""
    room, fitting = _MOST_OF_TAGS, []
    for tag in tags:
        size = len(json.dumps(tag)) + len(", ")
        if size <= room:
            room -= size
            fitting.append(tag)
    return fitting


def _fields(record: UsageRecord, clock: Clock) -> dict[str, Any]:
    """Return a record without its tags."""
    settles = clock.now() + timedelta(seconds=record.settles_at - clock.seconds())
    fields = asdict(replace(record, tags=()))
    del fields["tags"]
    return {**fields, "created": record.created.isoformat(), "settles_at": settles.isoformat()}


def _record(fields: Mapping[str, Any], tags: tuple[str, ...], clock: Clock) -> UsageRecord:
    created, settles = (datetime.fromisoformat(fields[name]) for name in ("created", "settles_at"))
    settles_at = clock.seconds() + (settles - clock.now()).total_seconds()
    return UsageRecord(**{**fields, "created": created, "settles_at": settles_at}, tags=tags)
