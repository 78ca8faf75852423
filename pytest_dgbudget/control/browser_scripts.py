"""The files that DGBUDGET_BROWSER_SCRIPT names: an init script for pages, one for each token."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from os import urandom
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir

from pytest_dgbudget.paths import file_exists, make_private_folder, open_file, remove_file
from pytest_dgbudget.redirect import RedirectSettings
from pytest_dgbudget.redirect.browser_script import browser_script


class BrowserScriptFiles:
    """Files in a folder that only this user can read, made with the first one.

    The process that began the run removes it; where that is killed, its gateway does.
    """

    def __init__(self) -> None:
        self.folder = Path(gettempdir()) / f"dgbudget-scripts-{urandom(16).hex()}"

    def path_of(self, settings: RedirectSettings) -> str:
        """Return the path of the script for a token, which is written unless it is there."""
        path = self.folder / f"{sha256(settings.token.encode()).hexdigest()[:16]}.js"
        if not file_exists(path):
            make_private_folder(self.folder)
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


BROWSER_SCRIPTS = BrowserScriptFiles()
