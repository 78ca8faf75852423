"""The file that keeps what is taken out of a ledger: JSON Lines, compressed with gzip, to be read without this plugin.

Its first line says what it is. Each further one is a row: its ``table`` and its columns, one run after the other; and
the last one says how many ``runs`` and ``rows`` there were. The file is there whole, or not at all.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from pytest_dgbudget.paths import make_folder

FORMAT = "dgbudget.archive/1"
_SUFFIX = ".jsonl.gz"
_PREFIX, _PART = ".ledger-", ".part"
_CHUNK = 1024 * 1024


class ArchiveFailed(Exception):
    """No archive could be written, or it does not hold what was written: nothing may be removed."""


class ArchiveWriter:
    """Writes the rows of runs; ``published`` is where they are, once they have been read back by their ``digest``."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._written = hashlib.sha256()
        self._runs = self._rows = 0
        self.published: Path | None = None

    def head(self, facts: Mapping[str, Any]) -> None:
        self._line({"format": FORMAT, **facts})

    def add(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Counter[str]:
        """Add all rows of a run, each with its table; return how many there were of each table."""
        counts: Counter[str] = Counter()
        for table, row in rows:
            counts[table] += 1
            self._line({"table": table, "row": row})
        self._runs += 1
        self._rows += counts.total()
        return counts

    def end(self) -> None:
        """Write the last line."""
        self._line({"runs": self._runs, "rows": self._rows})

    @property
    def digest(self) -> str:
        return self._written.hexdigest()

    def _line(self, document: Mapping[str, Any]) -> None:
        line = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._written.update(line)
        self._file.write(line)


@contextmanager
def new_archive(folder: Path, name: str) -> Iterator[ArchiveWriter]:
    """Write an archive; it takes a name that nothing has when all is on the disk. Raises ArchiveFailed."""
    try:
        with _part_in(folder) as part:
            with _writing(part) as writer:
                yield writer
            if _digest_of(part) != writer.digest:
                raise ArchiveFailed(f"the archive in {folder} does not read as it was written, so nothing was removed")
            writer.published = _publish(part, folder, name)
    except OSError as error:
        raise ArchiveFailed(
            f"no archive can be written to {folder}: {error}; nothing was removed; "
            "name another folder with --archive-dir"
        ) from error


@contextmanager
def _part_in(folder: Path) -> Iterator[Path]:
    """Make a file that is gone afterwards, whatever name it has got meanwhile."""
    make_folder(folder)
    _remove_dead_parts(folder)
    handle, part = mkstemp(dir=folder, prefix=_PREFIX, suffix=_PART)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield Path(part)
    finally:
        os.close(handle)
        Path(part).unlink(missing_ok=True)


@contextmanager
def _writing(part: Path) -> Iterator[ArchiveWriter]:
    with part.open("wb") as file:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            writer = ArchiveWriter(packed)
            yield writer
            writer.end()
        file.flush()
        os.fchmod(file.fileno(), 0o644)  # as the ledger itself
        os.fsync(file.fileno())


def _remove_dead_parts(folder: Path) -> None:
    """Remove what was left by those who were killed while they wrote: nobody holds its lock."""
    for part in folder.glob(f"{_PREFIX}*{_PART}"):
        with part.open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)


def _digest_of(path: Path) -> str | None:
    """Return the digest of what a file holds; None where it can't be read to its end."""
    digest = hashlib.sha256()
    with suppress(OSError, EOFError, zlib.error), gzip.open(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()
    return None


def _publish(part: Path, folder: Path, name: str) -> Path:
    """Give a file a name that no other has: a link replaces nothing."""
    number = 1
    while True:
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}{_SUFFIX}"
        try:
            os.link(part, path)
        except FileExistsError:
            number += 1
            continue
        _sync_folder(folder)
        return path


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
