"""The recordings of a run: what the loop hands over of each session, and what users should know of what is missing."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

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
from pytest_dgbudget.recording.room import MOST_AUDIO, Room, RunRoom, SessionRoom
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

    def ended(self, close_reason: str = "") -> None:
        """Nothing more comes; ``close_reason``: what the Close says, if one does."""
        self._give(partial(self._on_disk.end, close_reason))

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


class _Recorded(NamedTuple):
    """One session of an attempt, and what it has taken."""

    id: str
    on_disk: SessionOnDisk
    room: SessionRoom


class Recordings:
    """All recordings of one gateway, in a folder where each session has one in that of its attempt.

    ``tag``: what the gateway adds to Settings. ``secrets``: what must be in none of them.
    ``patterns`` and ``hook`` are the scrubber's. Without ``keeps_audio``, none is written.
    ``passing``: the folder goes with the run; else it stays.
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
        room: RunRoom | None = None,
        keeps_audio: bool = True,
        passing: bool = False,
    ) -> None:
        self._folder = folder
        self._tag = tag
        self._secrets = tuple(secrets)
        self._patterns = patterns
        self._hook = hook
        self._disk = disk or Disk()
        self._room = room or RunRoom()
        # What is made of recordings, and kept elsewhere, as they are given back.
        self._audio_artifacts = Room(MOST_AUDIO, "what is kept of a run's audio")
        self._keeps_audio = keeps_audio
        self._passing = passing
        self._lock = threading.Lock()
        self._thread = RecordingThread(str(folder))
        self._begun = False
        self._sessions: dict[str, list[_Recorded]] = {}
        self._lost: Counter[str] = Counter()
        self._cut_audio = 0
        self._hangs = False

    def folder_of(self, attempt: str) -> Path:
        """Return where the sessions of an attempt are recorded; there once one is."""
        return self._folder / attempt

    def begin(
        self, attempt: str, session_id: str, dialled_at: datetime, dialled_ms: int, secrets: Iterable[str]
    ) -> SessionRecording:
        """Begin the recording of a session that was dialled at this instant (UTC), and this one of the metering clock.

        ``secrets``: what must not be in it, whoever says it: key, tokens.
        """
        room = self._room.share()
        make = partial(
            RecordingWriter,
            self._disk,
            room,
            self.folder_of(attempt) / session_id,
            keeps_audio=self._keeps_audio,
            dialled_at=dialled_at,
            dialled_ms=dialled_ms,
            scrubber=Scrubber((*self._secrets, *secrets), self._patterns, self._hook),
            tag=self._tag,
        )
        if not self._begun:
            self._begun = True
            self._thread.start()
        on_disk = SessionOnDisk(make, self._lock)
        self._sessions.setdefault(attempt, []).append(_Recorded(session_id, on_disk, room))
        return SessionRecording(self._thread, self._lock, on_disk, partial(self._lose, session_id))

    async def write(self, attempt: str, within_seconds: float) -> bool:
        """Write what was handed over of an attempt; False where that takes longer than this."""
        if attempt not in self._sessions:
            return True
        written: Future[None] = Future()
        self._thread.call(partial(written.set_result, None))
        waiting = asyncio.wrap_future(written)
        await asyncio.wait([waiting], timeout=within_seconds)
        return waiting.done()

    def release(self, attempt: str, *, is_kept: bool) -> None:
        """Remove what was recorded of an attempt, whose sessions are over. ``is_kept``: its text is elsewhere now."""
        recorded = self._sessions.pop(attempt, [])
        if not is_kept:
            for each in recorded:
                self._lost.pop(each.id, None)
        if recorded and self._passing:
            self._thread.call(partial(self._remove, attempt, recorded, is_kept=is_kept))

    def take_audio_room(self, size: int) -> int:
        """Take so many bytes for the audio that is kept of failed tests, or what is left; return how many."""
        granted = self._audio_artifacts.take_up_to(size)
        self._cut_audio += granted < size
        return granted

    def sentences(self) -> list[str]:
        """Return what a user should know: what is missing in recordings, and why."""
        sentences = []
        if self._lost:
            size, of_sessions = sum(self._lost.values()) / _MIB, _sessions(len(self._lost))
            why = f"{size:.1f} MiB were handed over faster than they could be written"
            sentences.append(f"recordings of {of_sessions} have gaps: {why}")
        for why, sessions in Counter(dict(self._thread.stopped).values()).items():
            sentences.append(f"recordings of {_sessions(sessions)} end early, or were never begun: {why}")
        if self._cut_audio:
            sentences.append(f"the audio of {_sessions(self._cut_audio)} is cut short: {self._audio_artifacts.full}")
        if self._hangs:
            sentences.append(f"the last recordings in {self._folder} lack their end: the disk did not take it in time")
        return sentences

    async def close(self, within_seconds: float, *, has_successor: bool = False) -> None:
        """Write what there is, as long as that takes no longer than this; nothing may be handed over afterwards.

        What passes with the run is removed, unless a gateway after this one goes on with it.
        """
        removes = self._passing and not has_successor
        if not self._begun:
            if not removes or not self._folder.exists():  # a gateway before this one may have begun it
                return
            self._thread.start()
        if removes:
            self._thread.call(self._remove_all)
        self._thread.finish()
        finished = asyncio.wrap_future(self._thread.finished)
        await asyncio.wait([finished], timeout=within_seconds)
        self._hangs = not finished.done()

    def _remove(self, attempt: str, recorded: list[_Recorded], *, is_kept: bool) -> None:
        """Called on the thread."""
        for each in recorded:
            each.on_disk.close()
        rmtree(self.folder_of(attempt), ignore_errors=True)
        for each in recorded:
            if is_kept:
                each.room.give_back_audio()
            else:
                each.room.give_back()
                self._thread.stopped.pop(each.on_disk, None)

    def _remove_all(self) -> None:
        """Called on the thread."""
        for sessions in self._sessions.values():
            for each in sessions:
                each.on_disk.close()
        rmtree(self._folder, ignore_errors=True)

    def _lose(self, session_id: str, size: int) -> None:
        self._lost[session_id] += size


def _sessions(number: int) -> str:
    return f"{number} session{'' if number == 1 else 's'}"
