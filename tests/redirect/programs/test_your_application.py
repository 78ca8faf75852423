"""The snippets of docs/your-application.md for Node and for browsers run as they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_dgbudget.redirect.browser_script import browser_script
from pytest_dgbudget.redirect.node_options import with_preload
from tests.conformance.sdks import INSTALL_SECONDS
from tests.redirect.programs.conftest import NodeApp, settings_of
from tests.redirect.programs.patched_playwright import patched
from tests.support.chromium import chromium
from tests.support.project import PROJECTS
from tests.support.recording_gateway import RecordingServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * INSTALL_SECONDS)]

DOCS = Path(__file__).parents[3] / "docs/your-application.md"
SNIPPETS = dict(re.findall(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL))
WELCOME = {"protocol": "token", "type": "Welcome"}


@pytest.fixture
def app(make_node_app: Callable[[str], NodeApp], application: RecordingServer, tmp_path: Path) -> NodeApp:
    made = make_node_app("node")
    script = tmp_path / "browser_script.js"
    script.write_text(browser_script(settings_of(made.gateway)), encoding="utf-8")
    made.environment.update(APPLICATION=f"http://localhost:{application.port}", DGBUDGET_BROWSER_SCRIPT=str(script))
    for name, source in SNIPPETS.items():
        (made.folder / name).write_text(source, encoding="utf-8")
    return made


@pytest.fixture
def application() -> Iterator[RecordingServer]:
    with RecordingServer(pages=PROJECTS / "browser_pages") as server:
        yield server


def test_each_snippet_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert len(SNIPPETS) == 4
    assert [name for name in SNIPPETS if f'"{name}"' not in source] == []


def test_the_sdks_session(app: NodeApp) -> None:
    app.environment["DEEPGRAM_API_KEY"] = "0123456789abcdef0123456789abcdef01234567"
    assert app.run("session.mjs").shown == [{"type": "Welcome"}]
    assert len(app.gateway.sessions) == 1


def test_the_spec_for_playwright(app: NodeApp) -> None:
    app.environment["CHROMIUM"] = chromium()
    command = ("node_modules/@playwright/test/cli.js", "test", "page.spec.ts")
    redirect = json.dumps(settings_of(app.gateway))
    assert app.execute(*command, redirect=redirect, options=with_preload(None)).returncode == 0
    assert len(app.gateway.sessions) == 1


def test_the_one_line(app: NodeApp) -> None:
    """Without the redirect of programs: the line does it alone."""
    app.environment["CHROMIUM"] = chromium()
    assert app.run_with("", "one_line.mjs", options="").shown == [WELCOME]
    assert len(app.gateway.sessions) == 1


def test_the_test_in_python(gateway: RecordingServer, application: RecordingServer) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    names: dict[str, object] = {}
    exec(SNIPPETS["test_page.py"], names)
    test = names["test_the_agent_says_welcome"]
    assert callable(test)
    with sync_api.sync_playwright() as playwright, patched(settings_of(gateway)):
        browser = playwright.chromium.launch(executable_path=chromium())
        test(browser.new_page(), f"http://localhost:{application.port}")
        browser.close()
    assert len(gateway.sessions) == 1
