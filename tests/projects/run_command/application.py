"""An application as users have it: the vendor's URL in its code, and a key that it reads while it is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

URL = os.environ.get("AGENT_URL", "wss://agent.deepgram.com/v1/agent/converse")
KEY = os.environ["DEEPGRAM_API_KEY"]


@contextmanager
def session() -> Iterator[ClientConnection]:
    """Open a session, and have it applied its Settings."""
    with connect(URL, additional_headers={"Authorization": f"Token {KEY}"}) as connection:
        connection.recv()
        connection.send('{"type": "Settings"}')
        connection.recv()
        yield connection
