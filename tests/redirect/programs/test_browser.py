"""Pages in a real Chromium reach the gateway, in each context that Playwright for Python makes or finds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme

from pytest_dgbudget.protocol.codes import AGENT_PATH
from pytest_dgbudget.redirect.browser_script import browser_script
from pytest_dgbudget.redirect.playwright import PATCHES
from tests.redirect.programs.conftest import AGENT_URL, TOKEN, settings_of
from tests.redirect.programs.patched_playwright import Settings, patched
from tests.support.chromium import chromium
from tests.support.project import PROJECTS
from tests.support.recording_gateway import MINTED, Recorded, RecordingServer, server_tls

sync_api = pytest.importorskip("playwright.sync_api")
async_api = pytest.importorskip("playwright.async_api")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PAGES = PROJECTS / "browser_pages"
KEY = "0123456789abcdef0123456789abcdef01234567"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"
WRONG = f"invalid-{TOKEN}"
WELCOME = {"protocol": "token", "type": "Welcome"}
POLICY = {"content-security-policy": "default-src 'self' 'unsafe-inline'; connect-src 'self' wss://agent.deepgram.com"}


@pytest.fixture
def application() -> Iterator[RecordingServer]:
    with RecordingServer(pages=PAGES) as server:
        yield server


@pytest.fixture
def secure_application() -> Iterator[RecordingServer]:
    with RecordingServer(pages=PAGES, tls=server_tls(trustme.CA())) as server:
        yield server


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Any) -> Iterator[Any]:
    launched = playwright.chromium.launch(executable_path=chromium())
    yield launched
    launched.close()


@pytest.fixture
def settings(gateway: RecordingServer) -> Settings:
    return settings_of(gateway)


@pytest.fixture
def page(browser: Any, settings: Settings) -> Iterator[Any]:
    with patched(settings):
        opened = browser.new_page(ignore_https_errors=True)
    yield opened
    opened.close()


def seen_in(page: Any, url: str, count: int = 1) -> list[dict[str, Any]]:
    """What the page has seen once it has seen this many things."""
    page.goto(url)
    page.wait_for_function(f"window.shown.length >= {count}")
    shown: list[dict[str, Any]] = page.evaluate("window.shown")
    return shown


def dial(application: RecordingServer, url: str, *protocols: str) -> str:
    query = urlencode([("url", url), *(("protocol", protocol) for protocol in protocols)])
    return f"http://localhost:{application.port}/dials.html?{query}"


def nothing_leaked(gateway: RecordingServer) -> bool:
    return not any(key in repr(gateway.requests) for key in (KEY, JWT))


def session_of(gateway: RecordingServer) -> Recorded:
    (session,) = gateway.sessions
    return session


# Sessions of the agent ------------------------------------------------------------------------------------------------


def test_a_page_with_url_and_key_in_its_code_reaches_the_gateway(
    page: Any, application: RecordingServer, gateway: RecordingServer
) -> None:
    shown = seen_in(page, f"http://localhost:{application.port}/key.html", 2)
    whole = {"constants": [0, 1, 2, 3], "instance": True, "prototype": True, "name": "WebSocket"}
    assert shown == [whole, WELCOME]
    session = session_of(gateway)
    assert (session.target, session.subprotocols) == (f"{AGENT_PATH}?a=1", ["token", TOKEN])
    assert nothing_leaked(gateway)


def test_a_page_on_https_reaches_the_gateway(
    page: Any, secure_application: RecordingServer, gateway: RecordingServer
) -> None:
    assert seen_in(page, f"https://localhost:{secure_application.port}/key.html", 2)[1] == WELCOME
    assert len(gateway.sessions) == 1


def test_a_page_that_fetches_a_token_from_its_own_server_reaches_the_gateway(
    page: Any, application: RecordingServer, gateway: RecordingServer
) -> None:
    shown = seen_in(page, f"http://localhost:{application.port}/minted.html")
    assert shown == [{"protocol": "bearer", "type": "Welcome"}]
    assert session_of(gateway).subprotocols == ["bearer", MINTED]


@pytest.mark.parametrize(
    ("protocols", "becomes"),
    [
        (["token", KEY], ["token", TOKEN]),
        (["bearer", JWT], ["bearer", TOKEN]),
        (["token", MINTED], ["token", MINTED]),
        (["token", "test-key"], ["token", WRONG]),
        (["token", KEY, "further"], ["token", TOKEN, "further"]),
        (["token"], ["token", WRONG]),
        (["other"], ["token", WRONG, "other"]),
        ([], ["token", WRONG]),
    ],
)
def test_the_credential_is_replaced(
    page: Any, application: RecordingServer, gateway: RecordingServer, protocols: list[str], becomes: list[str]
) -> None:
    assert seen_in(page, dial(application, AGENT_URL, *protocols)) == [WELCOME | {"protocol": becomes[0]}]
    assert session_of(gateway).subprotocols == becomes


@pytest.mark.parametrize("url", ["wss://api.eu.deepgram.com/v1/agent/converse", "https://api.deepgram.com/agent"])
def test_each_address_of_the_agents_is_redirected(
    page: Any, application: RecordingServer, gateway: RecordingServer, url: str
) -> None:
    assert seen_in(page, dial(application, url, "token", KEY)) == [WELCOME]
    assert session_of(gateway).target == AGENT_PATH


@pytest.mark.parametrize("url", ["wss://api.deepgram.com:1/v1/listen", "wss://localhost:1/v1/agent/converse"])
def test_other_sockets_are_left_alone(
    page: Any, application: RecordingServer, gateway: RecordingServer, url: str
) -> None:
    assert seen_in(page, dial(application, url, "token", KEY)) == [{"failed": url}]
    assert gateway.requests == []


def test_a_socket_that_the_test_answers_itself_stays_mocked(
    page: Any, application: RecordingServer, gateway: RecordingServer
) -> None:
    page.route_web_socket("wss://agent.deepgram.com/**", lambda socket: socket.send('{"type": "Mocked"}'))
    shown = seen_in(page, f"http://localhost:{application.port}/inline_policy.html")
    assert shown == [{"protocol": "token", "type": "Mocked"}]
    assert gateway.requests == []


def test_what_is_no_url_fails_as_ever(page: Any, application: RecordingServer) -> None:
    (shown,) = seen_in(page, dial(application, "http://:::"))
    assert shown["name"] == "SyntaxError"


def test_frames_are_redirected_as_well(page: Any, application: RecordingServer, gateway: RecordingServer) -> None:
    page.set_content(f'<iframe src="http://localhost:{application.port}/key.html"></iframe>')
    frame = page.frames[1]
    frame.wait_for_function("window.shown && window.shown.length >= 2")
    assert len(gateway.sessions) == 1


# Policies -------------------------------------------------------------------------------------------------------------


def test_a_policy_that_names_the_vendor_alone_is_no_obstacle(
    page: Any, application: RecordingServer, gateway: RecordingServer
) -> None:
    application.page_headers.update(POLICY)
    assert seen_in(page, f"http://localhost:{application.port}/key.html", 2)[1] == WELCOME
    assert seen_in(page, f"http://localhost:{application.port}/inline_policy.html") == [WELCOME]
    assert len(gateway.sessions) == 2


def test_a_policy_is_kept_where_the_test_asks_for_it(
    browser: Any, application: RecordingServer, gateway: RecordingServer, settings: Settings
) -> None:
    with patched(settings):
        context = browser.new_context(bypass_csp=False)
    page = context.new_page()
    (shown,) = seen_in(page, f"http://localhost:{application.port}/inline_policy.html")
    context.close()
    assert shown == {"failed": f"ws://{gateway.address}{AGENT_PATH}"}
    assert gateway.requests == []


def test_a_page_of_the_public_networks_may_connect_and_has_no_other_permission(
    playwright: Any, application: RecordingServer, gateway: RecordingServer, settings: Settings
) -> None:
    arguments = [f"--ip-address-space-overrides={application.address}=public"]
    browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
    with patched(settings):
        page = browser.new_page()
    assert seen_in(page, f"http://localhost:{application.port}/key.html", 2)[1] == WELCOME
    microphone = page.evaluate("navigator.permissions.query({ name: 'microphone' }).then(({ state }) => state)")
    browser.close()
    assert microphone == "prompt"
    assert len(gateway.sessions) == 1


# Other requests -------------------------------------------------------------------------------------------------------


def test_a_page_mints_a_token_for_listen_at_the_gateway(
    page: Any, application: RecordingServer, gateway: RecordingServer
) -> None:
    shown = seen_in(page, f"http://localhost:{application.port}/mints.html", 2)
    assert shown == [{"same": True}, {"protocol": "bearer", "type": "Welcome"}]
    minted = [request for request in gateway.requests if request.method == "POST"]
    assert [request.target for request in minted] == ["/to/api.deepgram.com/v1/auth/grant"] * 2
    assert [request.authorization for request in minted] == [f"Token {TOKEN}"] * 2
    assert [request.body for request in minted] == ['{"ttl_seconds": 60}', '{"ttl_seconds": 30}']
    assert session_of(gateway).target == "/to/api.deepgram.com/v1/listen?model=nova-3"
    assert nothing_leaked(gateway)


def test_requests_with_a_token_reach_the_gateway(
    page: Any, application: RecordingServer, gateway: RecordingServer
) -> None:
    shown = seen_in(page, f"http://localhost:{application.port}/rest.html?credential={TOKEN}", 2)
    assert shown == [{"path": "/to/api.deepgram.com/v1/projects"}] * 2
    assert {one.authorization for one in gateway.requests if one.method == "GET"} == {f"Token {TOKEN}"}


def test_requests_with_a_key_are_left_alone(page: Any, application: RecordingServer, gateway: RecordingServer) -> None:
    asked: list[str | None] = []

    def fail(route: Any) -> None:
        asked.append(route.request.headers.get("authorization"))
        route.abort()

    page.route("https://api.deepgram.com/**", fail)
    shown = seen_in(page, f"http://localhost:{application.port}/rest.html?credential={KEY}", 2)
    assert shown == [{"failed": "fetch"}, {"failed": "request"}]
    assert asked == [f"Token {KEY}"] * 2
    assert gateway.requests == []


# Workers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("classic", {"path": "/worker.js"}),
        ("module", {"path": "/worker_module.js", "fetched": True}),
        ("blob", {"path": "/worker.html"}),
    ],
)
def test_a_worker_whose_script_names_the_vendor_is_redirected(
    page: Any, application: RecordingServer, gateway: RecordingServer, kind: str, extra: dict[str, Any]
) -> None:
    shown = seen_in(page, f"http://localhost:{application.port}/worker.html?type={kind}")
    assert shown == [{"type": "Welcome", **extra}]
    assert session_of(gateway).subprotocols == ["token", TOKEN]


def test_another_worker_is_started_as_the_page_asked(page: Any, application: RecordingServer) -> None:
    shown = seen_in(page, f"http://localhost:{application.port}/worker.html?type=other")
    assert shown == [{"path": "/worker_other.js", "native": True}]


# Refusal --------------------------------------------------------------------------------------------------------------


def test_refuse_throws_in_the_page_and_is_reported(
    browser: Any, application: RecordingServer, gateway: RecordingServer
) -> None:
    with patched(settings_of(gateway, how="refuse")):
        page = browser.new_page()
    (shown,) = seen_in(page, dial(application, AGENT_URL, "token", KEY))
    page.wait_for_load_state("networkidle")
    page.close()
    assert shown["name"] == "BypassRefused"
    assert "DGBUDGET_AGENT_URL" in shown["message"]
    (bypass,) = gateway.bypasses
    assert bypass["how"] == "refused"
    assert bypass["program"] == f"page http://localhost:{application.port}/dials.html"
    assert gateway.sessions == []


def test_a_script_with_settings_that_say_nothing_changes_nothing(browser: Any, application: RecordingServer) -> None:
    with patched({"how": "?"}):
        page = browser.new_page()
    page.goto(f"http://localhost:{application.port}/show.js")
    assert "native code" in page.evaluate("WebSocket.toString()")
    page.close()


# Playwright's contexts ------------------------------------------------------------------------------------------------


def test_a_persistent_context_is_redirected(
    playwright: Any, application: RecordingServer, gateway: RecordingServer, settings: Settings, tmp_path: Path
) -> None:
    with patched(settings):
        context = playwright.chromium.launch_persistent_context(str(tmp_path), executable_path=chromium())
    shown = seen_in(context.pages[0], f"http://localhost:{application.port}/key.html", 2)
    context.close()
    assert shown[1] == WELCOME
    assert len(gateway.sessions) == 1


def test_contexts_of_a_browser_that_runs_already_are_redirected(
    playwright: Any, application: RecordingServer, gateway: RecordingServer, settings: Settings, tmp_path: Path
) -> None:
    arguments = ["--remote-debugging-port=0", f"--user-data-dir={tmp_path}"]
    running = playwright.chromium.launch_persistent_context(
        str(tmp_path), executable_path=chromium(), args=arguments[:1]
    )
    port = (tmp_path / "DevToolsActivePort").read_text(encoding="utf-8").splitlines()[0]
    with patched(settings):
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        found = browser.contexts[0].new_page()
        made = browser.new_context().new_page()
    for page in (found, made):
        assert seen_in(page, f"http://localhost:{application.port}/key.html", 2)[1] == WELCOME
    browser.close()
    running.close()
    assert len(gateway.sessions) == 2


def test_the_async_api_is_redirected(
    application: RecordingServer, gateway: RecordingServer, settings: Settings
) -> None:
    async def main() -> Any:
        async with async_api.async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium())
            page = await (await browser.new_context()).new_page()
            await page.goto(f"http://localhost:{application.port}/key.html")
            await page.wait_for_function("window.shown.length >= 2")
            shown = await page.evaluate("window.shown")
            await browser.close()
            return shown

    # On a thread of its own: this one's loop is that of the synchronous API.
    with patched(settings), ThreadPoolExecutor() as threads:
        assert threads.submit(asyncio.run, main()).result()[1] == WELCOME
    assert len(gateway.sessions) == 1


def test_without_settings_pages_are_left_alone(browser: Any, application: RecordingServer) -> None:
    with patched(None):
        page = browser.new_page()
    page.goto(f"http://localhost:{application.port}/show.js")
    assert "native code" in page.evaluate("WebSocket.toString()")
    page.close()


def test_what_was_patched_is_as_it_was_unless_somebody_else_has_patched_it_since() -> None:
    modules = [sys.modules[name] for name in PATCHES if name in sys.modules]
    before = [dict(vars(owner)) for owner in _owners(modules)]
    with patched({}):
        assert [dict(vars(owner)) for owner in _owners(modules)] != before
    assert [dict(vars(owner)) for owner in _owners(modules)] == before
    browser_class = _owners(modules)[0]
    original, others = browser_class.new_page, _somebody_elses()
    try:
        with patched({}):
            browser_class.new_page = others
        assert browser_class.new_page is others
    finally:
        browser_class.new_page = original


def _owners(modules: list[Any]) -> list[Any]:
    return [getattr(module, "BrowserType", None) or module.Browser for module in modules]


def _somebody_elses() -> Callable[[], None]:
    return lambda: None


def test_the_script_is_ascii_and_can_stand_in_a_page() -> None:
    script = browser_script({"gateway": "</script>", "token": "\u2028"})
    assert script.isascii()
    assert "</script>" not in script
