"""The recordings of a run: what the loop hands over of each session, and what users should know of what is missing."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.recording_thread import (
    MOST_WAITING,
    OVERHEAD,
    RESERVE,
    Gap,
    RecordingThread,
    SessionOnDisk,
    Task,
)
from pytest_dgbudget.recording.disk import Disk
from pytest_dgbudget.recording.lines import Direction, Side
from pytest_dgbudget.recording.scrubbing import Scrubber
from pytest_dgbudget.recording.writing import RecordingWriter

# Settings are among a client's first bytes.
_FIRST_BYTES = 256 * 1024
_MIB = 1024 * 1024


class SessionRecording:
    """The gateway's side of one session's recording. Its calls are cheap, never block and never raise."""

    def __init__(
        self, thread: RecordingThread, lock: threading.Lock, on_disk: SessionOnDisk, note_loss: Callable[[int], None]
    ) -> None:
        self._thread = thread
        self._lock = lock
        self._on_disk = on_disk
        self._note_loss = note_loss
        self._gaps: dict[Direction, Gap] = {}
        self._from_client = 0
        self._give(on_disk.begin)

    def client_sent(self, chunk: Chunk) -> None:
        """Take what passed from the client, at an instant of the metering clock."""
        self._from_client += len(chunk.data)
        self._passed("client_to_server", chunk, RESERVE if self._from_client <= _FIRST_BYTES else 0)

    def vendor_sent(self, chunk: Chunk) -> None:
        """Take what passed from the vendor."""
        self._passed("server_to_client", chunk, 0)

    def happened(self, name: str, at_ms: int, fields: Mapping[str, Any]) -> None:
        """Take one event of the session's life; ``at_ms`` counts from its dial, as in every event."""
        step = partial(self._on_disk.happened, name, at_ms, dict(fields))
        if not self._offer("gateway", step, OVERHEAD, RESERVE):
            self._widen_gap("gateway", events=1)

    def ended(self) -> None:
        """Nothing more comes."""
        self._give(self._on_disk.end)

    def _passed(self, side: Side, chunk: Chunk, reserve: int) -> None:
        size = len(chunk.data)
        if not self._offer(side, partial(self._on_disk.passed, side, chunk), size + OVERHEAD, reserve):
            self._widen_gap(side, size=size)

    def _offer(self, direction: Direction, step: Callable[[], None], cost: int, reserve: int) -> bool:
        """Hand a step over; False where too much waits already."""
        if self._on_disk.stopped:
            return True
        if self._thread.waiting + cost > MOST_WAITING + reserve:
            return False
        self._gaps.pop(direction, None)
        self._give(step, cost)
        return True

    def _give(self, step: Callable[[], None], cost: int = 0) -> None:
        self._thread.give(Task(self._on_disk, step, cost))

    def _widen_gap(self, direction: Direction, *, size: int = 0, events: int = 0) -> None:
        self._note_loss(size)
        with self._lock:
            gap = self._gaps.get(direction)
            is_new = gap is None or gap.written
            if gap is None or gap.written:
                gap = self._gaps[direction] = Gap(direction)
            gap.size += size
            gap.events += events
        if is_new:
            self._give(partial(self._on_disk.lacks, gap))


class Recordings:
    """All recordings of one gateway, in a folder of which each session has one.

    ``tag``: what the gateway adds to Settings. ``secrets``: what must be in none of them.
    ``patterns`` and ``hook`` are the scrubber's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tag: str,
        secrets: Sequence[str] = (),
        patterns: Sequence[re.Pattern[str]] = (),
        hook: Callable[[str], str] | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._folder = folder
        self._tag = tag
        self._secrets = tuple(secrets)
        self._patterns = patterns
        self._hook = hook
        self._disk = disk or Disk()
        self._lock = threading.Lock()
        self._thread = RecordingThread(str(folder))
        self._begun = False
        self._lost: Counter[str] = Counter()
        self._hangs = False

    def begin(self, session_id: str, dialled_at: datetime, dialled_ms: int, secrets: Iterable[str]) -> SessionRecording:
        """Begin the recording of a session that was dialled at this instant (UTC), and this one of the metering clock.

        ``secrets``: what must not be in it, whoever says it: key, tokens.
        """
        make = partial(
            RecordingWriter,
            self._disk,
            self._folder / session_id,
            dialled_at=dialled_at,
            dialled_ms=dialled_ms,
            scrubber=Scrubber((*self._secrets, *secrets), self._patterns, self._hook),
            tag=self._tag,
        )
        if not self._begun:
            self._begun = True
            self._thread.start()
        on_disk = SessionOnDisk(make, self._lock)
        return SessionRecording(self._thread, self._lock, on_disk, partial(self._lose, session_id))

    def sentences(self) -> list[str]:
        """Return what a user should know: what is missing in recordings, and why."""
        sentences = []
        if self._lost:
            size, of_sessions = sum(self._lost.values()) / _MIB, _sessions(len(self._lost))
            why = f"{size:.1f} MiB were handed over faster than they could be written"
            sentences.append(f"recordings of {of_sessions} have gaps: {why}")
        for why, sessions in dict(self._thread.stopped).items():
            sentences.append(f"recordings of {_sessions(sessions)} end early, or were never begun: {why}")
        if self._hangs:
            sentences.append(f"the last recordings in {self._folder} lack their end: the disk did not take it in time")
        return sentences

    async def close(self, within_seconds: float) -> None:
        """Write what there is, as long as that takes no longer than this; nothing may be handed over afterwards."""
        if not self._begun:
            return
        self._thread.finish()
        finished = asyncio.wrap_future(self._thread.finished)
        await asyncio.wait([finished], timeout=within_seconds)
        self._hangs = not finished.done()

    def _lose(self, session_id: str, size: int) -> None:
        self._lost[session_id] += size


def _sessions(number: int) -> str:
    return f"{number} session{'' if number == 1 else 's'}"
