"""The files of a run's recordings, which only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from pytest_dgbudget.paths import make_folder, make_private_folder

# What the last lines of recordings may take beyond their room.
_FOR_LAST_LINES = 1024 * 1024


class Disk:
    """Writes files. Its methods block, and raise OSError."""

    def __init__(self) -> None:
        self._for_last_lines = _FOR_LAST_LINES

    def make_folder(self, folder: Path) -> None:
        """Make the folder of one session, which nobody else may have made, in that of its attempt."""
        of_attempt = folder.parent
        make_folder(of_attempt.parent.parent)
        make_private_folder(of_attempt.parent)
        make_private_folder(of_attempt)
        folder.mkdir(0o700)

    def create(self, path: Path) -> BinaryIO:
        """Create a file that is not there yet, also not as a link."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)

    def append(self, file: BinaryIO, data: bytes) -> None:
        """Write all of the data."""
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
