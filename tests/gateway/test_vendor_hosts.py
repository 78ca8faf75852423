"""Which hosts the gateway speaks to, and where its key may go."""

from __future__ import annotations

import pytest

from pytest_dgbudget.config import DEFAULT_AGENT_URL, DEFAULT_API_URL
from pytest_dgbudget.gateway.routes.vendor_hosts import VendorHosts

KEY = "a" * 39 + "b"
DEEPGRAMS = VendorHosts(DEFAULT_AGENT_URL, DEFAULT_API_URL)
OTHER = VendorHosts("wss://voice.example:8443/v1/agent/converse", None)
LOCAL = VendorHosts("ws://127.0.0.1:8080/v1/agent/converse", "http://127.0.0.1:8081/prefix/")


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("agent.deepgram.com", "https://agent.deepgram.com"),
        ("API.Deepgram.com", "https://api.deepgram.com"),
        ("api.eu.deepgram.com", "https://api.eu.deepgram.com"),
        ("api.deepgram.com:443", "https://api.deepgram.com"),
        ("api.deepgram.com.", "https://api.deepgram.com"),
        ("api.deepgram.com:80", None),
        ("agent.eu.deepgram.com", None),
        ("deepgram.com", None),
        ("api.deepgram.com.evil.example", None),
        ("evil-api.deepgram.com", None),
        ("api.a.b.deepgram.com", None),
        ("user@api.deepgram.com", None),
        ("evil.example", None),
        ("127.0.0.1", None),
        ("", None),
    ],
)
def test_deepgrams_hosts_are_the_vendors_and_no_others_are(host: str, base: str | None) -> None:
    assert DEEPGRAMS.find(host) == base


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("127.0.0.1:8082", None),
        ("127.0.0.1", None),
        ("localhost:8080", None),
    ],
)
def test_the_hosts_of_the_configured_urls_are_the_vendors_with_their_ports(host: str, base: str | None) -> None:
    assert LOCAL.find(host) == base


def test_a_default_port_may_be_named_or_not() -> None:
    hosts = VendorHosts("wss://voice.example:443/x", None)
    assert hosts.find("voice.example") == hosts.find("Voice.Example.:443") == "https://voice.example"


def test_the_key_goes_to_deepgram_only_where_it_is_deepgrams() -> None:
    assert DEEPGRAMS.takes_key("https://api.eu.deepgram.com", KEY)
    assert not OTHER.takes_key("https://api.deepgram.com", KEY)
    assert OTHER.takes_key("https://voice.example:8443", KEY)


def test_a_key_of_the_emulators_goes_to_the_configured_urls_alone() -> None:
    assert not LOCAL.takes_key("https://api.deepgram.com", "dgemu_0")
    assert LOCAL.takes_key("http://127.0.0.1:8080", "dgemu_0")
    assert LOCAL.api_base is not None
    assert LOCAL.takes_key(LOCAL.api_base, "dgemu_0")
