"""Pages reach the gateway in each context that Playwright for Node makes or finds, specs and programs unchanged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.redirect.browser_script import browser_script
from pytest_dgbudget.redirect.node_options import with_preload
from tests.conformance.sdks import INSTALL_SECONDS
from tests.redirect.programs.conftest import NodeApp, settings_of
from tests.support.chromium import chromium
from tests.support.project import PROJECTS
from tests.support.recording_gateway import RecordingServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * INSTALL_SECONDS)]

WELCOME = {"protocol": "token", "type": "Welcome"}


@pytest.fixture(params=["node", "node 24"])
def app(request: pytest.FixtureRequest, make_node_app: Any, tmp_path: Path) -> Iterator[NodeApp]:
    made: NodeApp = make_node_app(request.param)
    script = tmp_path / "browser_script.js"
    script.write_text(browser_script(settings_of(made.gateway)), encoding="utf-8")
    with RecordingServer(pages=PROJECTS / "browser_pages") as application:
        made.environment.update(
            APPLICATION=f"http://localhost:{application.port}", CHROMIUM=chromium(), DGBUDGET_BROWSER_SCRIPT=str(script)
        )
        yield made


def playwright_test(app: NodeApp, spec: str) -> subprocess.CompletedProcess[str]:
    redirect = json.dumps(settings_of(app.gateway))
    command = ("node_modules/@playwright/test/cli.js", "test", spec)
    return app.execute(*command, redirect=redirect, options=with_preload(None))


@pytest.mark.parametrize(("spec", "sessions"), [("agent.spec.ts", 2), ("commonjs.spec.js", 1), ("policy.spec.ts", 0)])
def test_an_unchanged_spec_of_playwright_test_is_redirected(app: NodeApp, spec: str, sessions: int) -> None:
    done = playwright_test(app, spec)
    assert done.returncode == 0, done.stdout
    assert len(app.gateway.sessions) == sessions


def test_a_mistake_in_a_spec_is_shown_in_the_spec(app: NodeApp) -> None:
    done = playwright_test(app, "fails.spec.ts")
    assert "> 4 |   await browser.newContext(" in done.stdout
    assert "pytest_dgbudget" not in done.stdout


@pytest.mark.parametrize(
    ("way", "pages"),
    [
        ("launch", 2),
        ("launchPersistentContext", 1),
        ("connect", 1),
        ("connectOverCDP", 2),
        ("from the public network", 1),
    ],
)
def test_contexts_are_redirected_however_they_are_made(app: NodeApp, way: str, pages: int) -> None:
    ran = app.run("contexts.mjs", way)
    assert ran.shown == [WELCOME] * pages, ran.stderr
    assert len(app.gateway.sessions) == pages


def test_playwright_core_is_redirected_and_a_policy_is_kept_where_the_test_asks_for_it(app: NodeApp) -> None:
    ran = app.run("core.cjs")
    assert ran.shown == [WELCOME, {"failed": True}], ran.stderr
    assert len(app.gateway.sessions) == 1


def test_without_a_script_pages_are_left_alone(app: NodeApp) -> None:
    app.environment["DGBUDGET_BROWSER_SCRIPT"] = "/nowhere"
    ran = app.run("contexts.mjs", "launch")
    assert [set(seen) for seen in ran.shown] == [{"failed"}] * 2
    assert app.gateway.requests == []
