"""The file that DGBUDGET_BROWSER_SCRIPT names: an init script for pages, one for each token."""

from __future__ import annotations

import atexit
from hashlib import sha256
from os import getpid
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from pytest_dgbudget.redirect import RedirectSettings
from pytest_dgbudget.redirect.browser_script import browser_script


class BrowserScriptFiles:
    """Files in a folder that only this user can read, made with the first one and gone when the process ends."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._process = getpid()

    def path_of(self, settings: RedirectSettings) -> str:
        """Return the path of the script for a token, which is written unless it is there."""
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="dgbudget-"))
            atexit.register(self.remove)
        path = self._folder / f"{sha256(settings.token.encode()).hexdigest()[:16]}.js"
        if not path.exists():
            path.write_text(browser_script(settings.to_dict()), encoding="utf-8")
        return str(path)

    def forget(self, settings: RedirectSettings) -> None:
        """Remove the script for a token that is over."""
        if self._folder is not None:
            Path(self.path_of(settings)).unlink()

    def remove(self) -> None:
        """Remove all of them; a forked child leaves its parent's alone."""
        if self._folder is not None and self._process == getpid():
            rmtree(self._folder, ignore_errors=True)
            self._folder = None


BROWSER_SCRIPTS = BrowserScriptFiles()
