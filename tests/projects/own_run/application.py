"""An application that reads its key and its address when it is imported, and keeps them."""

import json
import os

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

KEY = os.environ["DEEPGRAM_API_KEY"]
URL = os.environ["DGBUDGET_AGENT_URL"]


def visit(key: str = KEY) -> ClientConnection:
    """Open a session and wait for its Welcome."""
    session = connect(URL, additional_headers={"Authorization": f"Token {key}"}, proxy=None)
    assert "Welcome" in str(session.recv(10))
    return session


def refusal(key: str = KEY) -> tuple[int, str]:
    """Return the status and the code of what refuses a session."""
    try:
        visit(key).close()
    except InvalidStatus as refused:
        return refused.response.status_code, json.loads(bytes(refused.response.body or b"{}"))["err_code"]
    raise AssertionError("a session was opened")
