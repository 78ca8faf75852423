"""Which proxy a URL is requested by."""

from __future__ import annotations

import pytest

from pytest_dgbudget.config.proxy import proxy_of


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "plain.example:3128")
    monkeypatch.setenv("https_proxy", "http://me:secret@tls.example:3129")


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_proxy_without_a_scheme_is_an_http_proxy(scheme: str) -> None:
    assert proxy_of(f"{scheme}://vendor.example/v1") == "http://plain.example:3128"


@pytest.mark.parametrize("scheme", ["https", "wss"])
def test_a_websocket_goes_by_the_proxy_of_its_http_scheme(scheme: str) -> None:
    assert proxy_of(f"{scheme}://vendor.example/v1") == "http://me:secret@tls.example:3129"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3:8080", "[::1]", "[::1]:8080"])
def test_this_machine_is_reached_without_a_proxy(host: str) -> None:
    assert proxy_of(f"http://{host}/v1") is None
    assert proxy_of(f"wss://{host}/v1") is None


@pytest.mark.parametrize(
    ("excepted", "host"),
    [("vendor.example", "api.vendor.example"), ("vendor.example:444", "vendor.example:444"), ("*", "x")],
)
def test_a_host_that_the_environment_excepts_is_reached_without_one(
    monkeypatch: pytest.MonkeyPatch, excepted: str, host: str
) -> None:
    monkeypatch.setenv("no_proxy", excepted)
    assert proxy_of(f"https://{host}/v1") is None
    if excepted != "*":
        assert proxy_of("https://other.example/v1") is not None


def test_an_empty_variable_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "")
    assert proxy_of("http://vendor.example") is None
