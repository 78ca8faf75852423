"""What a request asks for, by its path."""

from __future__ import annotations

import pytest

from pytest_dgbudget.gateway.routes.paths import VendorPath, plain, vendor_path


@pytest.mark.parametrize(
    ("path", "host", "rest"),
    [
        ("/v1/listen", None, "/v1/listen"),
        ("//v1/listen", None, "/v1/listen"),
        ("///v1//listen/", None, "/v1//listen/"),
        ("/to/api.deepgram.com/v1/listen", "api.deepgram.com", "/v1/listen"),
        ("/to/127.0.0.1:80//v1/listen/", "127.0.0.1:80", "//v1/listen/"),
        ("/to/api.deepgram.com", "api.deepgram.com", "/"),
        ("/to//v1/listen", "", "/v1/listen"),
        ("/tomorrow", None, "/tomorrow"),
    ],
)
def test_a_path_names_a_host_or_is_below_our_base_url(path: str, host: str | None, rest: str) -> None:
    assert vendor_path(path) == VendorPath(host=host, path=rest)


@pytest.mark.parametrize(("path", "meant"), [("//v1/a/", "/v1/a"), ("/v1//a", "/v1/a"), ("/", "/"), ("//", "/")])
def test_slashes_that_a_base_url_brings_count_once(path: str, meant: str) -> None:
    assert plain(path) == meant


def named(path: str, host: str | None = None) -> VendorPath:
    return VendorPath(host=host, path=path)


@pytest.mark.parametrize(
    ("path", "is_vendors"), [("/v1/listen", True), ("/v2/x", True), ("/v1", False), ("/", False), ("/metrics", False)]
)
def test_below_our_base_url_versioned_paths_are_the_vendors(path: str, is_vendors: bool) -> None:
    assert named(path).is_vendors is is_vendors
    assert named(path, "api.deepgram.com").is_vendors


@pytest.mark.parametrize(
    ("path", "manages"),
    [
        ("/v1/projects", True),
        ("/v1/projects/p/keys", True),
        ("/v1/models", True),
        ("/v1/agent/settings/think/models", True),
        ("/v1/auth/grant", True),
        ("/v1/listen", False),
        ("/v1/projects/../listen", False),
        ("/v1/projectsx", False),
        ("/v2/projects", False),
    ],
)
def test_the_management_api_is_known_by_its_paths(path: str, manages: bool) -> None:
    assert named(path).is_management is manages


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/agent/settings/think/models",
        "/v1/projects/p-1/agents",
        "/v1/projects/p-1/agents/a-1",
        "/v1/projects/p-1/agent-variables",
        "/v1/projects/p-1/agent-variables/v-1",
    ],
)
def test_what_belongs_to_agents_is_read(method: str, path: str) -> None:
    assert named(path).is_agent_rest(method)
    assert not named(path).is_agent_rest("POST")


@pytest.mark.parametrize(
    "path", ["/v1/projects/p", "/v1/projects/p/keys", "/v1/projects/../agents", "/v1/projects/p/agents/a/b", "/v1/read"]
)
def test_nothing_else_belongs_to_agents(path: str) -> None:
    assert not named(path).is_agent_rest("GET")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/agent/converse",
        "/agent",
        "/v1/agent",
        "/v2/agent/converse",
        "//v1//agent/converse",
        "/V1/Agent/converse",
        "/v1/%61gent/converse",
        "/v1/listen/../agent/converse",
        "/v1/listen/%2e%2e/agent/converse",
    ],
)
def test_the_agents_path_is_recognized_however_it_is_written(path: str) -> None:
    assert named(path).may_be_agent


@pytest.mark.parametrize("path", ["/v1/listen", "/v2/listen", "/v1/speak", "/v1/agents", "/listen/agent"])
def test_other_sockets_are_not_the_agents(path: str) -> None:
    assert not named(path).may_be_agent
