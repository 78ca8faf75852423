"""An application in the starters' manner: the vendor's URL and a key in its code. It runs in a test, or by itself."""

import sys
import time
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

URL = "wss://agent.deepgram.com/v1/agent/converse"
KEY = "0123456789abcdef0123456789abcdef01234567"


def visit(seconds: float) -> ClientConnection:
    """Open a session and keep it for so long, or until it is closed from the other end."""
    session = connect(URL, additional_headers={"Authorization": f"Token {KEY}"})
    assert "Welcome" in str(session.recv(10))
    deadline = time.monotonic() + seconds
    with suppress(TimeoutError, ConnectionClosed):
        while time.monotonic() < deadline:
            session.recv(deadline - time.monotonic())
    return session


if __name__ == "__main__":
    visit(float(sys.argv[1])).close()
