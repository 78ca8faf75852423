"""The files that DGBUDGET_BROWSER_SCRIPT names: an init script for pages, one for each token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from os import urandom
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir

from pytest_dgbudget.control import real_time
from pytest_dgbudget.paths import file_exists, make_private_folder, open_file, remove_file
from pytest_dgbudget.redirect import RedirectSettings
from pytest_dgbudget.redirect.browser_script import browser_script

_NAME = "dgbudget-scripts-"
# How long a folder may be there before whoever made it has locked it.
_UNLOCKED_SECONDS = 60
# Real ones, also where a test has a file system of its own.
_open = partial(os.open)
_close = partial(os.close)
_user = partial(os.getuid) if hasattr(os, "getuid") else None  # Windows lacks it


class BrowserScriptFiles:
    """Files in a folder that only this user can read, made with the first one and locked while this process lives.

    The process that began the run removes it; where that is killed, its gateway does; where that is, too, whoever makes
    such a folder next, or ``dgbudget sweep``.
    """

    def __init__(self) -> None:
        self.folder = Path(gettempdir()) / f"{_NAME}{urandom(16).hex()}"
        self._lock: int | None = None

    def path_of(self, settings: RedirectSettings) -> str:
        """Return the path of the script for a token, which is written unless it is there."""
        path = self.folder / f"{sha256(settings.token.encode()).hexdigest()[:16]}.js"
        if not file_exists(path):
            self._make_folder()
            with open_file(path, "w", encoding="utf-8") as file:
                file.write(browser_script(settings.to_dict()))
        return str(path)

    def forget(self, settings: RedirectSettings) -> None:
        """Remove the script for a token that is over, and the folder with the last one."""
        remove_file(Path(self.path_of(settings)))
        with suppress(OSError):
            self.folder.rmdir()

    def remove(self) -> None:
        """Remove all of them."""
        rmtree(self.folder, ignore_errors=True)
        self._unlock()

    def _make_folder(self) -> None:
        if not file_exists(self.folder):
            for folder in dead_script_folders():
                rmtree(folder, ignore_errors=True)
        make_private_folder(self.folder)
        self._unlock()
        self._lock = _locked(self.folder, exclusively=False)

    def _unlock(self) -> None:
        if self._lock is not None:
            _close(self._lock)
            self._lock = None


def dead_script_folders() -> Iterator[Path]:
    """Yield the folders of this user's whose processes are gone."""
    for folder in Path(gettempdir()).glob(f"{_NAME}*"):
        with suppress(OSError):
            if _is_old(folder) and (lock := _locked(folder, exclusively=True)) is not None:
                _close(lock)
                yield folder


def _is_old(folder: Path) -> bool:
    found = folder.lstat()
    is_ours = _user is not None and found.st_uid == _user()
    return is_ours and found.st_mtime < real_time.epoch_seconds() - _UNLOCKED_SECONDS


def _locked(folder: Path, *, exclusively: bool) -> int | None:
    """Return a descriptor that locks a folder while it is open; None where another process holds it."""
    import fcntl  # here: Windows lacks it

    lock = _open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if exclusively else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        _close(lock)
        return None
    return lock


BROWSER_SCRIPTS = BrowserScriptFiles()
