"""Sessions that a test counts on although an earlier one's end has closed them, and clients that connect again."""

from __future__ import annotations

import threading
from contextlib import suppress

import application
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection


@pytest.fixture(scope="module")
def shared() -> ClientConnection:
    session: ClientConnection = application.visit()
    return session


def test_has_it(shared: ClientConnection) -> None:
    assert shared.ping().wait(10)


def test_counts_on_it(shared: ClientConnection) -> None:
    shared.recv(10)


class Reconnecting:
    """A client that connects again whenever its session ends, until it is told to stop."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self._stops = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stops:
            with suppress(ConnectionClosed, InvalidStatus):
                self._session = application.visit()
                self.is_open.set()
                self._session.recv()

    def stop(self) -> None:
        self._stops = True
        self._session.close()
        self._thread.join()


@pytest.fixture(scope="module")
def client() -> Reconnecting:
    return Reconnecting()


def test_opens_one(client: Reconnecting) -> None:
    assert client.is_open.wait(10)
    client.is_open.clear()


def test_is_charged_for_the_next(client: Reconnecting) -> None:
    assert client.is_open.wait(10)
    client.stop()
    raise AssertionError("so that its sections are shown")
