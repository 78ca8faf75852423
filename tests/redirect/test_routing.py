"""What is the vendor's agent, what is the vendor's, and where each is found at the gateway."""

from __future__ import annotations

import pytest

from pytest_dgbudget import credentials as known
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.redirect import RedirectSettings, bypass, credentials, install, routing
from tests.redirect.names import AGENT_URL, ANOTHER_TOKEN, JWT, KEY, TOKEN

GATEWAY = "127.0.0.1:9"
AGENT_PATH = "/v1/agent/converse"


def path_of(
    url: str,
    key: str = KEY,
    method: str = "GET",
    *,
    is_websocket: bool = True,
    agent_url: str = AGENT_URL,
    grant: bool = True,
    query: str = "",
) -> str | None:
    """Return the path at the gateway of a request; None: it is left alone."""
    redirect = install(RedirectSettings(GATEWAY, TOKEN, agent_url, grant=grant))
    try:
        shown = credentials.Shown([("Authorization", f"Token {key}")])
        there = routing.Request(url + query, lambda: shown, lambda: False, method, is_websocket).redirected()
    finally:
        redirect.uninstall()
    return None if there is None else there.path


@pytest.mark.parametrize(
    "url",
    [
        AGENT_URL,
        "wss://AGENT.deepgram.com./v1/agent/converse",
        "wss://agent.deepgram.com:443//v1//agent/converse/",
        "wss://user:secret@agent.deepgram.com/v1/agent/converse#fragment",
        "wss://agent.deepgram.com/agent",
        "wss://api.deepgram.com/v1/agent/converse",
        "wss://api.eu.deepgram.com/v1/agent/converse",
        "ws://api.deepgram.com/agent/",
        "https://agent.deepgram.com/v1/agent/converse",
    ],
)
def test_the_vendors_agent_is_a_session(url: str) -> None:
    assert path_of(url) == AGENT_PATH
    assert path_of(url.partition("#")[0] + "?a=b&c=d") == AGENT_PATH + "?a=b&c=d"


@pytest.mark.parametrize("path", ["/", "/v1/agent/other", "/elsewhere"])
def test_a_path_that_the_agents_host_does_not_have_stays_wrong(path: str) -> None:
    assert path_of(f"wss://agent.deepgram.com{path}") == path


@pytest.mark.parametrize(
    "url",
    [
        "wss://api.deepgram.com/v1/listen",
        "wss://api.deepgram.com/agents",
        "wss://api.a.b.deepgram.com/v1/agent/converse",
        "wss://api..deepgram.com/v1/agent/converse",
        "wss://apideepgram.com/v1/agent/converse",
        "wss://notagent.deepgram.com/v1/agent/converse",
        "wss://agent.deepgram.com.example.com/v1/agent/converse",
        "wss://127.0.0.1:9/v1/agent/converse",
        "ftp://agent.deepgram.com/v1/agent/converse",
        "wss://agent.deepgram.com:port/v1/agent/converse",
        "wss://[agent.deepgram.com/v1/agent/converse",
        "",
    ],
)
def test_what_is_not_the_agent_is_left_alone(url: str) -> None:
    assert path_of(url) is None


@pytest.mark.parametrize(
    ("agent_url", "url", "path"),
    [
        ("wss://dg.example.com/talk", "wss://DG.example.com:443/talk/?a=b", AGENT_PATH + "?a=b"),
        ("wss://dg.example.com/talk", "https://dg.example.com/talk", AGENT_PATH),
        ("wss://dg.example.com/talk", "ws://dg.example.com:443/talk", None),
        ("wss://dg.example.com/talk", "wss://dg.example.com:444/talk", None),
        ("wss://dg.example.com/talk", "wss://dg.example.com/listen", None),
        ("ws://127.0.0.1:8080/v1/agent/converse", "ws://127.0.0.1:8080/v1/agent/converse", AGENT_PATH),
    ],
)
def test_the_configured_agent_is_known_by_scheme_host_port_and_path(agent_url: str, url: str, path: str | None) -> None:
    assert path_of(url, agent_url=agent_url) == path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.deepgram.com/v1/listen?a=b", "/to/api.deepgram.com/v1/listen?a=b"),
        ("https://agent.deepgram.com/v1/agent/settings/think/models", None),
        ("https://API.eu.deepgram.com:443", "/to/api.eu.deepgram.com/"),
        ("http://api.deepgram.com:8080/v1", "/to/api.deepgram.com:8080/v1"),
        ("https://dg.example.com:8443/v1/models", "/to/dg.example.com:8443/v1/models"),
        ("https://dg.example.com/v1/models", None),
    ],
)
def test_what_carries_a_token_goes_to_its_host_by_way_of_the_gateway(url: str, path: str | None) -> None:
    agent_url = "wss://dg.example.com:8443/talk"
    expected = path or (None if "example" in url else "/to/agent.deepgram.com/v1/agent/settings/think/models")
    assert path_of(url, ANOTHER_TOKEN, is_websocket=False, agent_url=agent_url) == expected
    assert path_of(url, KEY, is_websocket=False, agent_url=agent_url) is None


@pytest.mark.parametrize("key", [KEY, ANOTHER_TOKEN, "dummy"])
def test_every_request_for_a_temporary_token_is_redirected(key: str) -> None:
    url = "https://api.deepgram.com/v1/auth/grant"
    assert path_of(url, key, "POST", is_websocket=False) == "/to/api.deepgram.com/v1/auth/grant"
    assert path_of(url, key, "GET", is_websocket=False) == (None if key != ANOTHER_TOKEN else path_of(url, key, "POST"))


def test_with_the_key_kept_a_request_for_a_temporary_token_is_left_alone() -> None:
    url = "https://api.deepgram.com/v1/auth/grant"
    assert path_of(url, KEY, "POST", is_websocket=False, grant=False) is None
    assert path_of(url, ANOTHER_TOKEN, "POST", is_websocket=False, grant=False) is not None


def test_a_query_does_not_repeat_the_credential() -> None:
    assert path_of(AGENT_URL, query=f"?a=b&token={KEY}&c=d") == AGENT_PATH + "?a=b&c=d"


# Credentials


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        (f"Token {KEY}", f"Token {TOKEN}"),
        (f"token  {KEY.upper()} ", f"token {TOKEN}"),
        ("Token dgemu_abc", f"Token {TOKEN}"),
        (f"Bearer {JWT}", f"Bearer {TOKEN}"),
        (f"Bearer {ANOTHER_TOKEN}", f"Bearer {ANOTHER_TOKEN}"),
        (f"Token {TOKEN}", f"Token {TOKEN}"),
        ("Token dummy", f"Token invalid-{TOKEN}"),
        ("Token ", f"Token invalid-{TOKEN}"),
        ("", f"Token invalid-{TOKEN}"),
        (f"Token {KEY[:-1]}", f"Token invalid-{TOKEN}"),
        ("Bearer eyJ.only", f"Bearer invalid-{TOKEN}"),
        (KEY, f"Token invalid-{TOKEN}"),
        (f"Basic {KEY}", f"Token invalid-{TOKEN}"),
        (f"Token {TOKEN.upper()}", f"Token {TOKEN}"),
    ],
)
def test_the_credential_that_the_gateway_is_shown(shown: str, sent: str) -> None:
    seen = credentials.Shown([("x-a", "b"), ("authorization", shown)])
    seen.replace(TOKEN)
    assert seen.headers == [("x-a", "b"), ("authorization", sent)]


def test_who_shows_no_credential_shows_a_wrong_one() -> None:
    seen = credentials.Shown([], None)
    seen.replace(TOKEN)
    assert seen.headers == [("Authorization", f"Token invalid-{TOKEN}")]


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        (["token", KEY], ["token", TOKEN]),
        (["Bearer", JWT, "x"], ["Bearer", TOKEN, "x"]),
        (["x", "token", "dummy"], ["x", "token", f"invalid-{TOKEN}"]),
        (["token", "token"], ["token", f"invalid-{TOKEN}"]),
    ],
)
def test_the_subprotocols_that_the_gateway_is_shown(shown: list[str], sent: list[str]) -> None:
    seen = credentials.Shown([], shown)
    seen.replace(TOKEN)
    assert (seen.headers, seen.subprotocols) == ([], sent)
    in_header = credentials.Shown([("Sec-WebSocket-Protocol", ",".join(shown))])
    in_header.replace(TOKEN)
    assert in_header.headers == [("Sec-WebSocket-Protocol", ", ".join(sent))]


def test_a_subprotocol_alone_is_no_credential() -> None:
    seen = credentials.Shown([], ["token"])
    seen.replace(TOKEN)
    assert (seen.headers, seen.subprotocols) == ([("Authorization", f"Token invalid-{TOKEN}")], ["token"])


def test_no_header_repeats_the_credential_or_belongs_to_the_host() -> None:
    names = ["X-Api-Key", "Cookie", "Host", "Proxy-Authorization"]
    seen = credentials.Shown([("Authorization", f"Token {KEY}"), *((name, KEY) for name in names), ("x-a", "b")])
    seen.replace(TOKEN)
    assert seen.headers == [("Authorization", f"Token {TOKEN}"), ("x-a", "b")]


# Copies


def test_the_copies_of_constants_are_those_of_the_others() -> None:
    assert routing.AGENT_PATH == codes.AGENT_PATH
    assert routing.OLD_AGENT_PATH == codes.OLD_AGENT_PATH
    assert routing.OTHER_HOST_PREFIX == codes.OTHER_HOST_PREFIX
    assert bypass.BYPASS_PATH == codes.BYPASS_PATH
    assert credentials.WRONG_CREDENTIAL_PREFIX == codes.WRONG_CREDENTIAL_PREFIX
    assert credentials.TOKEN_PREFIX == known.TOKEN_PREFIX
    assert credentials.EMULATOR_KEY_PREFIX == known.EMULATOR_KEY_PREFIX


@pytest.mark.parametrize("text", [TOKEN, TOKEN.upper(), KEY, TOKEN[:-1], TOKEN + "0", TOKEN[:-1] + "g", ""])
def test_a_token_is_known_as_by_the_others(text: str) -> None:
    assert credentials.is_token(text) == known.is_token(text)
