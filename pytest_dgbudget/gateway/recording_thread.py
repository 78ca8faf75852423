"""Recordings are written on a thread of their own: the loop hands over what passed, and never waits for a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, NamedTuple

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.recorded_messages import RecordedMessages
from pytest_dgbudget.recording.lines import Direction, Side
from pytest_dgbudget.recording.room import RoomFull
from pytest_dgbudget.recording.writing import RecordingWriter

# What may wait for the disk, over all sessions.
MOST_WAITING = 16 * 1024 * 1024
# Beyond that, for what a recording is worth most for: its events, and the client's Settings, whose secrets are known
# from then on.
RESERVE = 4 * 1024 * 1024
# What an object takes beside the bytes that it holds.
OVERHEAD = 512
_FLUSH_EVERY = 256 * 1024
# What passes gathers for so long: each message's own wake-up and writes would cost more than it.
_GATHER_SECONDS = 0.02
# After so many messages, the relay has the interpreter for itself for a moment.
_AT_ONCE = 8
_PAUSE_SECONDS = 50e-6


@dataclass(slots=True)
class Gap:
    """What one direction lacks at one place. Added to by the loop until the thread has come there."""

    direction: Direction
    size: int = 0
    events: int = 0
    written: bool = False


class SessionOnDisk:
    """One session, as the thread sees it; its steps raise OSError and RoomFull. ``stopped``: nothing more is taken."""

    def __init__(self, make: Callable[[], RecordingWriter], lock: threading.Lock) -> None:
        self._make = make
        self._lock = lock
        self._writer: RecordingWriter | None = None
        self._messages: dict[Side, RecordedMessages] = {}
        self.stopped = False

    def begin(self) -> None:
        self._writer = writer = self._make()
        del self._make  # which holds what is scrubbed
        self._messages = {side: RecordedMessages(writer, side) for side in ("client_to_server", "server_to_client")}

    def passed(self, side: Side, chunk: Chunk) -> None:
        self._messages[side].passed(chunk)

    def happened(self, name: str, at_ms: int, fields: Mapping[str, Any]) -> None:
        assert self._writer is not None
        self._writer.happened(name, at_ms, fields)

    def lacks(self, gap: Gap) -> None:
        assert self._writer is not None
        with self._lock:
            gap.written = True
        if gap.direction == "gateway":
            self._writer.lost("gateway", events=gap.events)
        else:
            self._messages[gap.direction].lost(gap.size)

    def end(self, close_reason: str) -> None:
        assert self._writer is not None
        for messages in self._messages.values():
            messages.end()
        self._writer.end(close_reason)
        self.close()

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def leave(self) -> None:
        """Write what there is of a session whose end nobody saw."""
        if self._writer is not None:
            self._writer.flush_all()
        self.close()

    def stop(self, why: str) -> None:
        """Write no more than that the recording ends here."""
        self.stopped = True
        if self._writer is not None:
            self._writer.stop(why)
        self.close()

    def close(self) -> None:
        self.stopped = True
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self._messages = {}


class Task(NamedTuple):
    """A step of one session's recording; ``cost`` is how many bytes wait with it."""

    session: SessionOnDisk
    step: Callable[[], None]
    cost: int


class RecordingThread:
    """Does what it is handed, in order. ``stopped`` has the recordings that had to end early, and why."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._tasks: SimpleQueue[Task | Callable[[], None] | None] = SimpleQueue()
        self._ending = threading.Event()
        self._done = 0
        self._given = 0
        self._taken = 0
        self._unflushed: set[SessionOnDisk] = set()
        self._unflushed_bytes = 0
        self._open: set[SessionOnDisk] = set()
        self.stopped: dict[SessionOnDisk, str] = {}
        self.finished: Future[None] = Future()
        # A daemon: a disk that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many bytes wait. Each of the two numbers is written by one thread only."""
        return self._given - self._taken

    def give(self, task: Task) -> None:
        self._given += task.cost
        self._tasks.put(task)

    def call(self, step: Callable[[], None]) -> None:
        """Do this, which concerns no session alone and raises nothing, once all that was given before is written."""
        self._tasks.put(step)

    def finish(self) -> None:
        """Write what there is, and end."""
        self._tasks.put(None)
        self._ending.set()

    def _run(self) -> None:
        try:
            while (task := self._tasks.get()) is not None:
                if isinstance(task, Task):
                    self._do(task)
                else:
                    self._flush()
                    task()
                self._done += 1
                if self._done % _AT_ONCE == 0:
                    time.sleep(_PAUSE_SECONDS)
                if self._unflushed_bytes > _FLUSH_EVERY:
                    self._flush()
                if self._tasks.empty():
                    self._flush()
                    self._ending.wait(_GATHER_SECONDS)
            for session in self._open:
                self._attempt(session, session.leave)
        finally:
            self.finished.set_result(None)

    def _do(self, task: Task) -> None:
        session = task.session
        if not session.stopped:
            self._attempt(session, task.step)
            self._unflushed.add(session)
            self._unflushed_bytes += task.cost
        (self._open.discard if session.stopped else self._open.add)(session)
        self._taken += task.cost

    def _flush(self) -> None:
        for session in self._unflushed:
            self._attempt(session, session.flush)
        self._unflushed.clear()
        self._unflushed_bytes = 0

    def _attempt(self, session: SessionOnDisk, step: Callable[[], None]) -> None:
        """Take a step; whatever keeps it from being taken ends that recording, and no other."""
        try:
            step()
        except RoomFull as full:
            self._stop(session, str(full))
        except OSError as error:
            self._stop(session, f"{self._where}: {error.strerror or type(error).__name__}")
        except Exception as error:  # its text could hold what is to be scrubbed
            self._stop(session, f"{self._where}: {type(error).__name__}")

    def _stop(self, session: SessionOnDisk, why: str) -> None:
        self.stopped[session] = why
        session.stop(why)
