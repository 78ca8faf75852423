"""Applications that come to another address of the gateway's, which address.txt has, with a token from token.txt."""

import os
from pathlib import Path

import application
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

ADDRESS = Path("address.txt").read_text(encoding="utf-8")


def test_it() -> None:
    token = Path("token.txt").read_text(encoding="utf-8") or application.KEY
    assert "DG_APP_TOKEN" not in os.environ
    headers = {"Authorization": f"Token {token}"}
    with connect(f"ws://{ADDRESS}/v1/agent/converse", additional_headers=headers, proxy=None) as session:
        assert "Welcome" in str(session.recv(10))
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{ADDRESS}/control", proxy=None)
    assert refused.value.response.status_code == 404
