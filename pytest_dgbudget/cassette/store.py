"""Cassettes on a disk: each test has a folder, and in it one for each session, ``1``, ``2`` and so on.

A test's folder is replaced as a whole. Whoever reads sees all of the old one or all of the new one, also when a writer
is killed between two steps: the new one is made under another name beside it, the old one is moved out of the way, and
the new one takes its place. Where that last step is missing, the old one is read where it was moved to, and the next
writer moves it back.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pytest_dgbudget.cassette.cassette import Cassette, CassetteFacts
from pytest_dgbudget.cassette.reading import cassette_in, facts_in
from pytest_dgbudget.cassette.scrubbing import Scrub, without_secrets
from pytest_dgbudget.cassette.writing import RECORDING_FILE, files_of
from pytest_dgbudget.errors import CassetteError
from pytest_dgbudget.folder_names import folder_name
from pytest_dgbudget.paths import make_folder
from pytest_dgbudget.recording.lines import LINES_FILE
from pytest_dgbudget.recording.room import MOST_AUDIO, MOST_TEXT_OF_SESSION

FOLDER = "cassettes"
FILE_NAMES = re.compile(rf"{re.escape(LINES_FILE)}|{re.escape(RECORDING_FILE)}|(?:user|agent)\.[a-z0-9]{{1,8}}")
SESSION = re.compile(r"[1-9][0-9]{0,5}")
# Beside a test's folder while it is replaced: the new one, what is being removed, and the old one.
_UNFINISHED = re.compile(r"\..+\.(?:new|gone)-[0-9a-f]{32}")
_OLD = re.compile(r"\.(.+)\.old")
# How often a folder may be replaced while it is read, or be in neither place, before that is taken for the truth.
_MOST_CHANGES, _MOST_MISSES = 100, 3

T = TypeVar("T")


def folder_of_test(cassette_dir: Path | None, test_file: Path, nodeid: str) -> Path:
    """Return where a test's cassettes are: below ``cassette_dir``, or in ``cassettes`` beside its file.

    There its name does not depend on where the file is: both may be moved.
    """
    if cassette_dir is not None:
        return cassette_dir / folder_name(nodeid)
    return test_file.parent / FOLDER / folder_name("::".join([test_file.name, *nodeid.split("::")[1:]]))


def cassettes_in(folder_of_test: Path) -> list[Cassette]:
    """Return a test's cassettes in the order of their dials; none where it has none. Raises CassetteError."""
    return (
        _read(folder_of_test, lambda opened: [_cassette(opened, folder_of_test / name) for name in opened.names()])
        or []
    )


def read_cassette(folder: Path) -> Cassette:
    """Read the cassette of one session; raises CassetteError."""
    return _found(folder, _read(folder.parent, lambda opened: _cassette(opened, folder)))


def read_facts(folder: Path) -> CassetteFacts:
    """Read what is known of a cassette's session, and neither texts nor audio; raises CassetteError."""

    def facts(opened: _Folder) -> CassetteFacts:
        with opened.folder(folder.name) as session:
            return facts_in(folder, session.read)

    return _found(folder, _read(folder.parent, facts))


def write_cassettes(folder_of_test: Path, cassettes: Sequence[Cassette], scrub: Scrub | None = None) -> list[Path]:
    """Write a test's cassettes in place of all that it had, or none of them; return their folders.

    ``scrub`` is applied to each text. Raises CassetteRefused, CassetteError, OSError.
    """
    files = _files_of(cassettes, scrub, 1)
    with _replacing(folder_of_test) as new:
        return _write_sessions(new, folder_of_test, files, 1)


def add_cassettes(folder_of_test: Path, cassettes: Sequence[Cassette], scrub: Scrub | None = None) -> list[Path]:
    """Write more cassettes of a test, all or none of them, and leave those it has; return their folders.

    ``scrub`` is applied to each text. Raises CassetteRefused, CassetteError, OSError.
    """
    kept = _read(folder_of_test, lambda opened: opened.names())
    files = _files_of(cassettes, scrub, int(kept[-1]) + 1 if kept else 1)
    with _replacing(folder_of_test) as new:
        return _write_sessions(new, folder_of_test, files, 1 + _copy(folder_of_test, new))


@dataclass(frozen=True, slots=True)
class _Folder:
    """An open folder: it stays the one that it is, whatever takes its name. Its methods raise CassetteError."""

    path: Path
    descriptor: int

    def names(self) -> list[str]:
        """Return the folders of sessions, in order."""
        with os.scandir(self.descriptor) as found:
            return sorted((each.name for each in found if SESSION.fullmatch(each.name)), key=int)

    @contextmanager
    def folder(self, name: str) -> Iterator[_Folder]:
        try:
            descriptor = _open_folder(name, self.descriptor)
        except OSError as error:
            raise CassetteError(f"{self.path / name}: {_said(error)}") from error
        try:
            yield _Folder(self.path / name, descriptor)
        finally:
            os.close(descriptor)

    def read(self, name: str) -> bytes:
        """Return what a file holds that is one, and no link."""
        most = MOST_TEXT_OF_SESSION if name in (LINES_FILE, RECORDING_FILE) else MOST_AUDIO
        try:
            # A FIFO would block.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.descriptor)
            with os.fdopen(file, "rb") as opened:
                found = os.fstat(file)
                if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                    raise CassetteError(f"{self.path / name}: it is no file of at most {most} bytes")
                return opened.read()
        except OSError as error:
            raise CassetteError(f"{self.path / name}: {_said(error)}") from error

    def is_still_there(self) -> bool:
        """True while nothing else has its name."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self.descriptor))
        except OSError:
            return False


def _read(folder_of_test: Path, take: Callable[[_Folder], T]) -> T | None:
    """Return what ``take`` makes of a test's folder as it was at one instant; None where there is none."""
    changes = misses = 0
    while changes < _MOST_CHANGES and misses < _MOST_MISSES:
        try:
            opened = _open_either(folder_of_test)
        except OSError as error:
            if isinstance(error, NotADirectoryError) and not folder_of_test.parent.is_dir():
                return None  # a file is where the folder of all would be
            raise CassetteError(f"{folder_of_test}: {_said(error)}") from error
        if opened is None:
            misses += 1
            continue
        try:
            taken = take(opened)
        except CassetteError:
            if opened.is_still_there():
                raise
        else:
            if opened.is_still_there():
                return taken
        finally:
            os.close(opened.descriptor)
        changes += 1
    if misses < _MOST_MISSES:
        raise CassetteError(f"{folder_of_test}: it is replaced all the time")
    return None


def _open_either(folder_of_test: Path) -> _Folder | None:
    for path in (folder_of_test, _old(folder_of_test)):
        with suppress(FileNotFoundError):
            return _Folder(path, _open_folder(path))
    return None


def _open_folder(path: str | Path, within: int | None = None) -> int:
    """Open a folder that is one, and no link."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)


def _cassette(opened: _Folder, folder: Path) -> Cassette:
    with opened.folder(folder.name) as session:
        return cassette_in(folder, session.read)


def _found(folder: Path, found: T | None) -> T:
    if found is None:
        raise CassetteError(f"{folder}: there is no cassette")
    return found


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _files_of(cassettes: Sequence[Cassette], scrub: Scrub | None, first: int) -> list[Mapping[str, bytes]]:
    """Return the files of each cassette; errors name it by its number, counted from ``first``."""
    return [files_of(without_secrets(cassette, scrub, number)) for number, cassette in enumerate(cassettes, first)]


@contextmanager
def _replacing(folder_of_test: Path) -> Iterator[Path]:
    """Yield an empty folder; it replaces the test's own unless something is raised."""
    make_folder(folder_of_test.parent)
    with _only_writer(folder_of_test.parent):
        new = _beside(folder_of_test, f"new-{uuid4().hex}")
        try:
            new.mkdir()
            yield new
            _put_in_place(new, folder_of_test)
        except BaseException:
            _remove(new)
            raise


def _copy(folder_of_test: Path, new: Path) -> int:
    """Copy a test's sessions; return the last one's number."""
    with suppress(FileNotFoundError):
        shutil.copytree(folder_of_test, new, symlinks=True, dirs_exist_ok=True)
    return max((int(each.name) for each in new.iterdir() if SESSION.fullmatch(each.name)), default=0)


def _write_sessions(new: Path, folder_of_test: Path, sessions: Sequence[Mapping[str, bytes]], first: int) -> list[Path]:
    """Write the files of sessions into a test's new folder; return the folders that they will be in."""
    for number, files in enumerate(sessions, first):
        folder = new / str(number)
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
    return [folder_of_test / str(number) for number in range(first, first + len(sessions))]


def _put_in_place(new: Path, folder_of_test: Path) -> None:
    old = _old(folder_of_test)
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(folder_of_test.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder_of_test))
        _remove(old)
        folder_of_test.rename(old)
    new.rename(folder_of_test)
    _remove(old)


def _remove(folder: Path) -> None:
    """Remove a folder, which is gone at once for those who read."""
    gone = _beside(folder, f"gone-{uuid4().hex}")
    with suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def _only_writer(parent: Path) -> Iterator[None]:
    """Be the only one that writes into a folder, and finish first what a killed one has begun.

    Where folders can't be locked, as on some network file systems, whoever writes last wins.
    """
    import fcntl  # which Windows lacks, where nothing is recorded

    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _finish_others(parent)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child that was forked meanwhile has the descriptor, too
        os.close(descriptor)


def _finish_others(parent: Path) -> None:
    for path in list(parent.iterdir()):
        of_test = _OLD.fullmatch(path.name)
        if of_test is not None and not os.path.lexists(parent / of_test[1]):
            path.rename(parent / of_test[1])
        elif of_test is not None or _UNFINISHED.fullmatch(path.name):
            _remove(path)


def _old(folder_of_test: Path) -> Path:
    return _beside(folder_of_test, "old")


def _beside(folder: Path, ending: str) -> Path:
    return folder.parent / f".{folder.name.strip('.')}.{ending}"
