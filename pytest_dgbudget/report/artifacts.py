"""What is kept of a test attempt beside the report: a transcript, each session's events, and what was heard."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pytest_dgbudget.paths import make_folder, make_private_folder
from pytest_dgbudget.recording.disk import Disk
from pytest_dgbudget.recording.lines import AUDIO, LINES_FILE, RecordedLine, write_line
from pytest_dgbudget.recording.reading import lines_in, sessions_in
from pytest_dgbudget.recording.scrubbing import Scrubber
from pytest_dgbudget.report.artifact_folders import MARKER, TestAttempt, clear_folder, folder_of, marker_of
from pytest_dgbudget.report.session_audio import write_audio
from pytest_dgbudget.report.session_summary import SessionSummary, summary_of, type_of
from pytest_dgbudget.report.transcript import header_lines, session_lines

TRANSCRIPT = "transcript.txt"
_TAIL_LINES = 20

Scrub = Callable[[str], str]
# Given how many bytes of audio are to be written, returns how many may be.
TakeRoom = Callable[[int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """What was written: the files' names in ``folder``, and the last lines of the transcript."""

    folder: Path
    files: tuple[str, ...]
    tail: tuple[str, ...]

    @property
    def transcript(self) -> Path:
        return self.folder / TRANSCRIPT

    @property
    def audio(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in self.files if not name.endswith((".txt", ".jsonl")))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
    """What is known of an attempt's recordings. ``folder`` has one of each session.

    ``target``: where they were dialled. ``unended``: why a session's end would be missing.
    """

    test: TestAttempt
    folder: Path
    target: str
    unended: str


def write_artifacts(
    report_dir: Path, recorded: RecordedAttempt, *, scrub: Scrub | None = None, take_room: TakeRoom | None = None
) -> Artifacts | None:
    """Write what is kept of an attempt, in place of what was written of it before; None where it had no session.

    ``scrub`` is applied to each text. Without ``take_room`` there is no audio. Files are for their owner alone. Raises
    OSError.
    """
    sessions = sessions_in(recorded.folder)
    if not sessions:
        return None
    folder = folder_of(report_dir, recorded.test)
    make_folder(report_dir)
    _make_private(folder.parent)
    _make_private(folder)
    clear_folder(folder)
    return _Writing(folder, recorded, scrub, take_room).write(sessions)


class _Writing:
    """Writes one attempt's files. The marker names each before it is there, so that none is ever left behind."""

    def __init__(
        self, folder: Path, recorded: RecordedAttempt, scrub: Scrub | None, take_room: TakeRoom | None
    ) -> None:
        self._folder = folder
        self._recorded = recorded
        self._scrub = scrub
        self._take_room = take_room
        self._files: list[str] = []

    def write(self, sessions: Sequence[Path]) -> Artifacts:
        parts = [
            part
            for number, session in enumerate(sessions, 1)
            if (part := self._write_session(session, number, len(sessions))) is not None
        ]
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        with self._created(TRANSCRIPT) as file:
            for line in self._transcript(parts, tail):
                file.write(line.encode() + b"\n")
        return Artifacts(folder=self._folder, files=tuple(sorted(self._files)), tail=tuple(tail))

    def _write_session(self, session: Path, number: int, of: int) -> _Part | None:
        name = "events.jsonl" if of == 1 else f"events-{number}.jsonl"
        with self._created(name) as file:
            file.writelines(_lines_of(session / LINES_FILE, self._scrub))
        events = self._folder / name
        summary = summary_of(lines_in(events))
        if summary is None:
            return None
        notes: tuple[str, ...] = ()
        if self._take_room is not None:
            label = "" if of == 1 else f"-{number}"
            notes = write_audio(session, summary, partial(lines_in, events), label, self._created, self._take_room)
        return _Part(summary=summary, events=events, notes=notes)

    def _transcript(self, parts: Sequence[_Part], tail: deque[str]) -> Iterator[str]:
        """Yield all lines; those of what happened go into the tail as well."""
        test, unended = self._recorded.test, self._recorded.unended
        yield _printable(f"{test.nodeid}, attempt {test.number}" + (f" on {test.worker}" if test.worker else ""))
        for number, part in enumerate(parts, 1):
            yield ""
            yield from header_lines(part.summary, number, len(parts), self._recorded.target, unended, part.notes)
            if len(parts) > 1:
                tail.append(f"Session {number} of {len(parts)}")
            for line in session_lines(part.summary, lines_in(part.events), unended):
                tail.append(line)
                yield line

    @contextmanager
    def _created(self, name: str) -> Iterator[BinaryIO]:
        """Create a file of this attempt."""
        self._files.append(name)
        new_marker = self._folder / f"{MARKER}.new"
        new_marker.unlink(missing_ok=True)
        with Disk().create(new_marker) as file:
            file.write(marker_of(self._recorded.test, self._files))
        new_marker.replace(self._folder / MARKER)
        (self._folder / name).unlink(missing_ok=True)
        with io.BufferedWriter(Disk().create(self._folder / name)) as buffered:
            yield buffered


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One session of a transcript; ``notes`` say what is to be known of its audio."""

    summary: SessionSummary
    events: Path
    notes: tuple[str, ...]


def _make_private(folder: Path) -> None:
    """Make a folder that its owner alone can enter; one that is there, from a cache of CI, becomes one."""
    if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
        folder.chmod(0o700)
    make_private_folder(folder)


def _lines_of(path: Path, scrub: Scrub | None) -> Iterator[bytes]:
    """Yield the whole lines of a recording, as they are or with each text scrubbed."""
    if scrub is not None:
        yield from _scrubbed(lines_in(path), Scrubber((), hook=scrub))
        return
    with path.open("rb") as file:
        yield from (line for line in file if line.endswith(b"\n"))


def _scrubbed(lines: Iterable[RecordedLine], scrubber: Scrubber) -> Iterator[bytes]:
    for line in lines:
        has_text = type_of(line) != AUDIO
        yield write_line(replace(line, payload=scrubber.scrub(line.payload)) if has_text else line)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
