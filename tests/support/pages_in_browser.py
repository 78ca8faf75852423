"""Pages of runs in a real Chromium: what one shows, what it asks for, and what it complains of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.chromium import chromium

ROWS = "#tests-table tbody tr:not([hidden])"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; where there is no Playwright or no Chromium, its tests are skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=chromium())
        yield launched
        launched.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page in a browser, with what it asked for and what it complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def goto(self, url: str) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)

    def names(self) -> list[str]:
        """Return the tests in the order in which they are shown."""
        found: list[str] = self.page.eval_on_selector_all(f"{ROWS} > th > bdi", "all => all.map(e => e.textContent)")
        return found

    def background(self) -> str:
        found: str = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return found
