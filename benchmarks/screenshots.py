"""Pictures of usage.html for the documentation, and how long the page of 2,000 sessions takes to make.

Run it in a clone in which the tests run, with a Chromium on the PATH: ``python -m benchmarks.screenshots``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html.page import USAGE_CSS, usage_page
from tests.support import pages
from tests.support.chromium import NAMES

FOLDER = Path(__file__).parent.parent / "docs/screenshots"
WIDTH = 1280


class Picture(NamedTuple):
    """A picture: its name, of what, in which theme, and how high."""

    name: str
    document: Callable[[], UsageDocument]
    theme: str
    height: int


PICTURES = (
    Picture("usage-ordinary", pages.ordinary, "light", 1360),
    Picture("usage-ordinary-dark", pages.ordinary, "dark", 1360),
    Picture("usage-overrun", pages.overrun, "light", 1560),
    Picture("usage-2000-sessions", pages.large, "light", 1500),
)


def main() -> int:
    """0; 1 where there is no Chromium."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print(f"none of these is on the PATH: {', '.join(NAMES)}", file=sys.stderr)
        return 1
    for picture in PICTURES:
        path = take(browser, picture)
        print(f"{path}: {path.stat().st_size // 1000} KB")
    print(how_long(pages.large()))
    return 0


def take(browser: str, picture: Picture) -> Path:
    """Write one picture, and return its path."""
    path = FOLDER / f"{picture.name}.png"
    with tempfile.TemporaryDirectory() as folder:
        page = usage_page(picture.document()).replace("<html ", f'<html data-theme="{picture.theme}" ', 1)
        Path(folder, "usage.html").write_text(page, encoding="utf-8")
        Path(folder, "usage.css").write_text(USAGE_CSS, encoding="utf-8")
        command = [
            *(browser, "--headless=new", "--hide-scrollbars", "--disable-gpu", "--force-device-scale-factor=1"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            *(f"--window-size={WIDTH},{picture.height}", f"--screenshot={path}", f"--user-data-dir={folder}/profile"),
            Path(folder, "usage.html").as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    return path


def how_long(document: UsageDocument) -> str:
    """Say how long a page takes to make, at best of five times, and how large it is."""
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        page = usage_page(document)
        took.append(time.perf_counter() - begun)
    return f"{len(document['sessions']):,} sessions: made in {min(took):.2f}s, {len(page.encode()) / 1e6:.2f} MB"


if __name__ == "__main__":
    sys.exit(main())
