"""Node programs whose URL and key are in their code reach the gateway; what can't be redirected is refused."""

from __future__ import annotations

import json

import pytest

from pytest_dgbudget.protocol.codes import AGENT_PATH
from pytest_dgbudget.redirect.node_options import with_preload
from tests.conformance.sdks import INSTALL_SECONDS
from tests.redirect.programs.conftest import AGENT_URL, TOKEN, NodeApp
from tests.support.recording_gateway import MINTED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * INSTALL_SECONDS)]

KEY = "0123456789abcdef0123456789abcdef01234567"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"
OTHER_TOKEN = "d9b0d9e7" + "2" * 32
WRONG = f"invalid-{TOKEN}"
CREDENTIALS = {
    OTHER_TOKEN: OTHER_TOKEN,
    KEY: TOKEN,
    KEY.upper(): TOKEN,
    "dgemu_key": TOKEN,
    JWT: TOKEN,
    "test-key": WRONG,
    f"{KEY}0": WRONG,
}
MINTED_ANSWER = {"access_token": MINTED, "expires_in": 30}
MOCKED = {"access_token": "mocked"}


def nothing_leaked(app: NodeApp) -> bool:
    """Whether the vendor got nothing, and the gateway no key."""
    return not app.vendor.requests and not any(key in repr(app.gateway.requests) for key in (KEY, KEY.upper(), JWT))


# Sessions of the agent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", ["ws_header.cjs", "ws_late_header.cjs", "ws_own_connection.cjs", "sdk.mjs", "sdk.cjs", "worker.cjs"]
)
def test_a_session_reaches_the_gateway(node_app: NodeApp, program: str) -> None:
    ran = node_app.run(program)
    assert [seen["type"] for seen in ran.shown] == ["Welcome"], ran.stderr
    (session,) = node_app.gateway.sessions
    assert session.target.split("?")[0] == AGENT_PATH
    assert session.authorization in (f"Token {TOKEN}", f"Bearer {TOKEN}")
    assert nothing_leaked(node_app)


def test_query_and_headers_are_the_clients(node_app: NodeApp) -> None:
    node_app.run("ws_header.cjs")
    (session,) = node_app.gateway.sessions
    assert session.target == f"{AGENT_PATH}?a=1&b=%20"
    assert session.headers["x-deepgram-tag"] == "one"
    assert session.headers["host"] == node_app.gateway.address


@pytest.mark.parametrize(
    "url",
    [
        "wss://agent.deepgram.com/v1/agent/converse",
        "wss://agent.deepgram.com/v2/anything",
        "wss://AGENT.deepgram.com.:444/",
        "ws://agent.deepgram.com/v1/agent/converse",
        "wss://api.deepgram.com/v1/agent/converse",
        "wss://api.eu.deepgram.com/v1/agent/converse",
        "wss://api.deepgram.com//v1/agent/converse",
        "wss://api.deepgram.com/agent",
    ],
)
def test_the_vendors_agent_is_redirected_at_each_of_its_addresses(node_24_app: NodeApp, url: str) -> None:
    ran = node_24_app.run("ws_subprotocols.mjs", "token", KEY, url)
    assert ran.shown == [{"protocol": "token", "type": "Welcome"}]
    assert [session.target for session in node_24_app.gateway.sessions] == [AGENT_PATH]


@pytest.mark.parametrize("url", ["wss://voice.example.com:8443/agent", "ws://voice.example.com/agent"])
def test_the_configured_agent_is_redirected(node_24_app: NodeApp, url: str) -> None:
    node_24_app.run("ws_subprotocols.mjs", "token", KEY, url, agent_url=url.replace("voice", "VOICE"))
    assert [session.target for session in node_24_app.gateway.sessions] == [AGENT_PATH]


@pytest.mark.parametrize(
    "url",
    [
        "wss://voice.example.com:1/v1/agent/converse",
        "wss://agent.deepgram.com.example.com:1/v1/agent/converse",
        "wss://api.deepgram.com:1/v1/listen",
        "wss://api.deepgram.com:1/v1/agents",
        "wss://own.example.com:1/agent/2",
        "ws://own.example.com:1/agent",
    ],
)
def test_others_are_left_alone(node_24_app: NodeApp, url: str) -> None:
    ran = node_24_app.run("ws_subprotocols.mjs", "token", KEY, url, agent_url="wss://own.example.com:1/agent")
    assert [seen["code"] for seen in ran.shown] == ["ECONNREFUSED"]
    assert node_24_app.gateway.requests == []


@pytest.mark.parametrize(("shown", "becomes"), CREDENTIALS.items())
@pytest.mark.parametrize("scheme", ["Token", "bearer"])
def test_a_header_has_a_token_in_place_of_what_the_client_showed(
    node_24_app: NodeApp, scheme: str, shown: str, becomes: str
) -> None:
    node_24_app.run("ws_header.cjs", f"{scheme} {shown}")
    assert [session.authorization for session in node_24_app.gateway.sessions] == [f"{scheme} {becomes}"]


@pytest.mark.parametrize("authorization", ["", "Basic dXNlcjpwYXNz", KEY])
def test_a_header_that_shows_no_credential_is_shown_to_be_wrong(node_24_app: NodeApp, authorization: str) -> None:
    node_24_app.run("ws_header.cjs", authorization)
    assert [session.authorization for session in node_24_app.gateway.sessions] == [f"Token {WRONG}"]


@pytest.mark.parametrize(("shown", "becomes"), CREDENTIALS.items())
@pytest.mark.parametrize("scheme", ["token", "bearer"])
def test_subprotocols_have_a_token_in_place_of_what_the_client_showed(
    node_24_app: NodeApp, scheme: str, shown: str, becomes: str
) -> None:
    ran = node_24_app.run("ws_subprotocols.mjs", scheme, shown, AGENT_URL)
    assert ran.shown == [{"protocol": scheme, "type": "Welcome"}]
    (session,) = node_24_app.gateway.sessions
    assert (session.subprotocols, session.authorization) == ([scheme, becomes], None)


def test_the_global_websocket_is_redirected(node_24_app: NodeApp) -> None:
    ran = node_24_app.run("global_websocket.mjs", AGENT_URL, "bearer", JWT)
    assert ran.shown == [{"ours": True, "open": 1}, {"protocol": "bearer", "type": "Welcome"}]
    assert [session.subprotocols for session in node_24_app.gateway.sessions] == [["bearer", TOKEN]]
    assert nothing_leaked(node_24_app)


def test_the_websocket_of_undici_is_redirected(node_24_app: NodeApp) -> None:
    ran = node_24_app.run("undici_clients.mjs", "1", TOKEN, "websocket")
    assert ran.shown == [{"protocol": "token", "type": "Welcome"}], ran.stderr
    assert [session.subprotocols for session in node_24_app.gateway.sessions] == [["token", TOKEN]]


# Other requests -------------------------------------------------------------------------------------------------------


def test_https_with_a_token_reaches_the_gateway(node_app: NodeApp) -> None:
    ran = node_app.run("https_requests.mjs", OTHER_TOKEN)
    paths = [
        "/to/agent.deepgram.com/v1/agent/settings/think/models",
        "/to/api.deepgram.com/v1/projects",
        "/to/api.deepgram.com/v1/speak",
        "/to/api.eu.deepgram.com/v1/listen?model=nova-3",
    ]
    assert sorted(seen["path"] for seen in ran.shown) == paths, ran.stderr
    assert {request.authorization for request in node_app.gateway.requests} == {f"Token {OTHER_TOKEN}"}
    assert {request.body for request in node_app.gateway.requests} == {"", "Hello"}


def test_fetch_with_a_token_reaches_the_gateway(node_app: NodeApp) -> None:
    ran = node_app.run("fetches.mjs", OTHER_TOKEN)
    paths = [
        "/to/agent.deepgram.com/v1/agent/settings/think/models",
        "/to/api.deepgram.com/v1/listen?a=1",
        "/to/api.deepgram.com/v1/speak",
    ]
    assert [seen["path"] for seen in ran.shown] == paths, ran.stderr
    assert {request.authorization for request in node_app.gateway.requests} == {f"Bearer {OTHER_TOKEN}"}
    assert [request.body for request in node_app.gateway.requests] == ["", "x", "Hello"]


@pytest.mark.parametrize("program", ["https_requests.mjs", "fetches.mjs"])
def test_requests_with_a_key_are_left_alone(node_app: NodeApp, program: str) -> None:
    ran = node_app.run(program, KEY)
    assert "ECONNREFUSED" in ran.stderr
    assert node_app.gateway.requests == []


@pytest.mark.parametrize("way", ["import", "getBuiltinModule"])
def test_https_is_redirected_however_it_was_loaded(node_24_app: NodeApp, way: str) -> None:
    ran = node_24_app.run("reads_https_later.cjs", TOKEN, way)
    assert ran.shown == [{"path": "/to/api.deepgram.com/v1/projects"}]


def test_websockets_with_a_token_reach_the_gateway(node_24_app: NodeApp) -> None:
    ran = node_24_app.run("ws_subprotocols.mjs", "token", TOKEN, "wss://api.deepgram.com/v1/listen?model=nova-3")
    assert ran.shown == [{"protocol": "token", "type": "Welcome"}]
    (session,) = node_24_app.gateway.sessions
    assert session.target == "/to/api.deepgram.com/v1/listen?model=nova-3"


def test_a_token_is_minted_at_the_gateway_whatever_the_key(node_app: NodeApp) -> None:
    ran = node_app.run("mints.mjs")
    assert ran.shown == [MINTED_ANSWER, MINTED_ANSWER], ran.stderr
    requests = [(one.method, one.target, one.authorization) for one in node_app.gateway.requests]
    assert requests == [("POST", "/to/api.deepgram.com/v1/auth/grant", f"Token {TOKEN}")] * 2
    assert nothing_leaked(node_app)


def test_a_token_is_minted_at_the_vendor_where_the_key_is_kept(node_app: NodeApp) -> None:
    ran = node_app.run("mints.mjs", grant=False)
    assert "ECONNREFUSED" in ran.stderr
    assert node_app.gateway.requests == []


def test_a_proxy_of_the_programs_own_is_not_asked(node_24_app: NodeApp) -> None:
    ran = node_24_app.run("undici_clients.mjs", "1", TOKEN, "fetch through a proxy")
    assert [seen["path"] for seen in ran.shown] == [
        "/to/api.deepgram.com/v1/projects",
        "/to/api.deepgram.com/v1/models",
    ]


@pytest.mark.parametrize(("program", "answers"), [("nocked.mjs", 2), ("msw.mjs", 3), ("undici_mock.mjs", 1)])
def test_what_a_test_mocks_stays_mocked(node_24_app: NodeApp, program: str, answers: int) -> None:
    ran = node_24_app.run(program)
    assert ran.shown == [MOCKED] * answers, ran.stderr
    assert node_24_app.gateway.requests == []


# Refusal --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["at once", "in pieces"])
def test_a_session_past_every_redirect_is_refused_and_reported(node_app: NodeApp, how: str) -> None:
    ran = node_app.run("raw_tls.cjs", str(node_app.vendor.port), "agent.deepgram.com", AGENT_PATH, how)
    (seen,) = ran.shown
    assert seen["name"] == "BypassRefused"
    assert "DGBUDGET_AGENT_URL" in seen["message"]
    refused = {"host": "agent.deepgram.com", "path": AGENT_PATH, "how": "refused", "program": "node raw_tls.cjs"}
    assert node_app.gateway.bypasses == [refused]
    (report,) = node_app.gateway.requests
    assert report.authorization == f"Token {TOKEN}"
    assert nothing_leaked(node_app)


def test_an_upgrade_of_undicis_own_is_refused(node_24_app: NodeApp) -> None:
    ran = node_24_app.run("undici_clients.mjs", str(node_24_app.vendor.port), TOKEN, "upgrade")
    assert [seen["name"] for seen in ran.shown] == ["BypassRefused"]
    assert [bypass["how"] for bypass in node_24_app.gateway.bypasses] == ["refused"]
    assert node_24_app.vendor.requests == []


def test_other_sockets_of_the_vendors_pass(node_app: NodeApp) -> None:
    ran = node_app.run("raw_tls.cjs", str(node_app.vendor.port), "api.deepgram.com", "/v1/listen")
    assert ran.shown == [{"status": "HTTP/1.1 101 -"}]
    assert node_app.gateway.requests == []


def test_warn_lets_pass_what_can_not_be_redirected_and_reports_it(node_app: NodeApp) -> None:
    arguments = (str(node_app.vendor.port), "agent.deepgram.com", AGENT_PATH)
    assert node_app.run("raw_tls.cjs", *arguments, how="warn").shown == [{"status": "HTTP/1.1 101 -"}]
    assert [bypass["how"] for bypass in node_app.gateway.bypasses] == ["passed"]


def test_warn_redirects_what_can_be(node_app: NodeApp) -> None:
    assert [seen["type"] for seen in node_app.run("ws_header.cjs", how="warn").shown] == ["Welcome"]
    assert len(node_app.gateway.sessions) == 1


@pytest.mark.parametrize("program", ["ws_header.cjs", "sdk.mjs"])
def test_refuse_refuses_every_session(node_app: NodeApp, program: str) -> None:
    ran = node_app.run(program, how="refuse")
    (seen,) = ran.shown
    assert "was refused before it was opened" in seen["message"]
    assert [bypass["program"] for bypass in node_app.gateway.bypasses] == [f"node {program}"]
    assert node_app.gateway.sessions == []


def test_refuse_refuses_the_global_websocket(node_24_app: NodeApp) -> None:
    ran = node_24_app.run("global_websocket.mjs", AGENT_URL, "token", KEY, how="refuse")
    assert [seen["name"] for seen in ran.shown] == ["BypassRefused"]
    assert len(node_24_app.gateway.bypasses) == 1


# Programs that use none of it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    ["", "{", "null", "[]", "{}", '{"gateway": 1}', json.dumps({"gateway": "127.0.0.1:9", "token": TOKEN, "how": "x"})],
)
def test_settings_that_say_nothing_change_nothing(node_app: NodeApp, settings: str) -> None:
    ran = node_app.run_with(settings, "https_requests.mjs", TOKEN)
    without = node_app.run_with(settings, "https_requests.mjs", TOKEN, options="--require ./names.cjs")
    assert (ran.shown, ran.status) == (without.shown, without.status)
    assert "ECONNREFUSED" in ran.stderr
    assert "pytest_dgbudget" not in ran.stderr


def test_a_program_loads_no_network_module_for_it(node_app: NodeApp) -> None:
    settings = {"gateway": "127.0.0.1:9", "token": TOKEN, "agent_url": AGENT_URL, "how": "clients", "grant": True}
    ran = node_app.run_with(json.dumps(settings), "loaded.cjs", options=with_preload(None))
    without = node_app.run_with("", "loaded.cjs", options="")
    assert ran.shown == without.shown
    assert ran.stderr == ""
