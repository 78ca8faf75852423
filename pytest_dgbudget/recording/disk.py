"""The files of a run's recordings, which only their owner can read, and how much they may take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from pytest_dgbudget.paths import make_folder

# Of all recordings of a run.
MOST_BYTES = 1024 * 1024 * 1024
# What the last lines of recordings may take beyond that.
_FOR_LAST_LINES = 1024 * 1024


class DiskFull(Exception):
    """The recordings of the run have taken all that they may."""


class Disk:
    """Writes files, and counts what they take. Its methods block, and raise OSError."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes
        self._for_last_lines = _FOR_LAST_LINES

    def make_folder(self, folder: Path) -> None:
        """Make the folder of one session, which nobody else may have made."""
        make_folder(folder.parent)
        folder.mkdir(0o700)

    def create(self, path: Path) -> BinaryIO:
        """Create a file that is not there yet, also not as a link."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)

    def append(self, file: BinaryIO, data: bytes) -> None:
        """Write all of the data; raises DiskFull where there is no room for it."""
        if len(data) > self._left:
            raise DiskFull
        self._left -= len(data)
        self._write(file, data)

    def append_last(self, file: BinaryIO, data: bytes) -> None:
        """Write the last line of a recording, for which there may be room when there is none for others."""
        if len(data) <= self._for_last_lines:
            self._for_last_lines -= len(data)
            self._write(file, data)

    def cut(self, file: BinaryIO, size: int) -> None:
        """Leave only the beginning of a file, and go on after it."""
        file.truncate(size)
        file.seek(size)

    def replace_beginning(self, file: BinaryIO, data: bytes) -> None:
        file.seek(0)
        self._write(file, data)

    def _write(self, file: BinaryIO, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
