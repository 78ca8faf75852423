"""What the emulator received and sent, in the envelope of the vendor's page "Session Observability".

That page wraps the whole message with request_id, session_id, customer_id, seq, ts and direction, and advises leaving
out audio. The emulator adds records whose ``type`` is in parentheses: what was left out because it was audio or too
large to keep, what the vendor's words of an Error leave out, and how a session ended or why it was refused.
``session_id`` is the client's own ``x-deepgram-session-id``.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pytest_dgbudget.emulator.codes import AUDIO
from pytest_dgbudget.instants import write_instant

TO_CLIENT = "server_to_client"
TO_SERVER = "client_to_server"
LONGEST = 10_000  # records of one grant that are kept for its test to fetch
MOST_BYTES = 4 * 2**20  # of these records
LARGEST = 2**20  # bytes; larger messages are left out of them
_MOST_GRANTS = 64  # whose records are kept; the oldest are dropped first


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One line of a journal; ``payload`` is a message's text, unchanged, or an object of the emulator's own.

    Most records are never read, so the payload is parsed only when one is.
    """

    request_id: str
    session_id: str | None
    seq: int
    moment: float
    direction: str
    payload: str | dict[str, Any]

    @property
    def size(self) -> int:
        """The memory that the payload takes, in bytes."""
        return sys.getsizeof(self.payload)

    def without_payload(self) -> JournalRecord:
        return replace(self, payload={"type": "(left out)", "bytes": len(str(self.payload).encode())})

    def envelope(self) -> dict[str, Any]:
        return {
            "request_id": self.request_id,
            "session_id": self.session_id,
            "seq": self.seq,
            "ts": write_instant(datetime.fromtimestamp(self.moment, timezone.utc)),
            "direction": self.direction,
            "payload": _parsed(self.payload) if isinstance(self.payload, str) else self.payload,
        }


class _File:
    """A file to which records are appended as long as that succeeds; raises OSError if it can't be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._lines = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise OSError(f"the journal {path} can't be opened: {error.strerror}") from None

    def add(self, record: JournalRecord) -> None:
        if self._lines.closed:
            return
        try:
            self._lines.write(json.dumps(record.envelope()) + "\n")
        except OSError as error:
            sys.stderr.write(
                f"dgbudget emulator: the journal {self._path} can't be written: {error.strerror}; sessions go on, but "
                "nothing more is recorded in it. Make room and start the emulator again to have a journal.\n"
            )
            self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closing writes what failed before, which is reported already
            self._lines.close()


class _Kept:
    """The latest records of one grant."""

    def __init__(self) -> None:
        self.records: deque[JournalRecord] = deque()
        self._size = 0

    def add(self, record: JournalRecord) -> None:
        kept = record if record.size <= LARGEST else record.without_payload()
        self.records.append(kept)
        self._size += kept.size
        while len(self.records) > LONGEST or self._size > MOST_BYTES:
            self._size -= self.records.popleft().size


class Journal:
    """Records by grant, and in a file if one is given; raises OSError if it can't be opened."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = None if path is None else _File(path)
        self._kept: dict[str, _Kept] = {}

    def of(self, grant: str) -> list[Any]:
        """Return a grant's records, oldest first."""
        kept = self._kept.get(grant)
        return [] if kept is None else [record.envelope() for record in kept.records]

    def session(self, grant: str, request_id: str, session_id: str | None) -> SessionJournal:
        return SessionJournal(request_id, session_id, lambda record: self._write(grant, record))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, grant: str, record: JournalRecord) -> None:
        if self._file is not None:
            self._file.add(record)
        kept = self._kept.pop(grant, None) or _Kept()
        kept.add(record)
        self._kept[grant] = kept  # moved to the end
        while len(self._kept) > _MOST_GRANTS:
            del self._kept[next(iter(self._kept))]


class SessionJournal:
    """One session's records."""

    def __init__(self, request_id: str, session_id: str | None, write: Callable[[JournalRecord], None]) -> None:
        self._ids = request_id, session_id
        self._write = write
        self._seq = 0
        self._audio: dict[str, tuple[float, int, int]] = {}

    def note(self, direction: str, message: str | bytes) -> None:
        """Record a message; audio as one record for all of it until the next text."""
        if isinstance(message, bytes):
            since, frames, size = self._audio.get(direction) or (time.time(), 0, 0)
            self._audio[direction] = since, frames + 1, size + len(message)
        else:
            self.add(direction, message)

    def add(self, direction: str, payload: str | dict[str, Any]) -> None:
        for way, (since, frames, size) in self._audio.items():
            self._record(way, since, {"type": AUDIO, "messages": frames, "bytes": size})
        self._audio.clear()
        self._record(direction, time.time(), payload)

    def _record(self, direction: str, moment: float, payload: str | dict[str, Any]) -> None:
        self._seq += 1
        self._write(JournalRecord(*self._ids, self._seq, moment, direction, payload))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"type": "(not JSON)", "text": text}
