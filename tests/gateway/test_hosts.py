"""Which Host headers the gateway takes for its own."""

from __future__ import annotations

import pytest

from pytest_dgbudget.gateway.hosts import AllowedHosts


def accepts(host: str, *patterns: str) -> bool:
    return AllowedHosts(patterns).accepts(host, "127.0.0.1", 8080)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080"])
def test_loopback_with_our_port_is_ours(host: str) -> None:
    assert accepts(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "evil.example:8080", "", ":8080", "[::1]:8080"])
def test_nothing_else_is_ours_by_itself(host: str) -> None:
    assert not accepts(host)


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        ("host.docker.internal", "Host.Docker.Internal:8080", "host.docker.internal:80"),
        ("host.docker.internal", "host.docker.internal:8080", "host.docker.internal"),
        ("app:9000", "app:9000", "app:8080"),
        ("app:*", "app:1", "app.evil.example:1"),
        ("app:*", "app", "xapp"),
        ("[::1]:*", "[::1]:7", "[::2]:7"),
        ("[::1]", "[::1]:8080", "[::1]:7"),
    ],
)
def test_an_allowed_host_has_our_port_the_one_that_is_named_or_any(pattern: str, accepted: str, refused: str) -> None:
    assert accepts(accepted, pattern)
    assert not accepts(refused, pattern)
