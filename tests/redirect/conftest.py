"""A gateway that records what reaches it, and no way to any other host."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from pytest_dgbudget.redirect import RedirectSettings, install
from tests.redirect.names import AGENT_URL, TOKEN
from tests.support.recording_server import RecordingServer

_getaddrinfo = socket.getaddrinfo


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a broken redirect does, nothing is looked up that isn't here."""

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (None, "localhost", "127.0.0.1", "::1"):
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not looked up in a test")
        return _getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(autouse=True)
def _has_client(request: pytest.FixtureRequest) -> None:
    if "websockets_trio" in request.node.name and find_spec("websockets.trio") is None:
        pytest.skip("websockets has had a client for trio since 17.1, which needs Python 3.11")


@pytest.fixture
def gateway() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture
def settings(gateway: RecordingServer) -> RedirectSettings:
    return RedirectSettings(gateway.netloc, TOKEN, AGENT_URL)


@pytest.fixture
def _redirected(settings: RedirectSettings) -> Iterator[None]:
    redirect = install(settings)
    yield
    redirect.uninstall()
