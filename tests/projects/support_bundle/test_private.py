"""A session into which everything private goes that a session can take."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest


@pytest.mark.parametrize("customer", [os.environ["SECRET_IN_TEST_ID"]])
def test_private(voice_agent: Any, customer: str) -> None:
    headers = {"x-deepgram-note": os.environ["SECRET_IN_HEADER"]}
    with voice_agent.connect(headers=headers, tags=[os.environ["SECRET_IN_TAG"]]) as session:
        assert session.say(f"I am {os.environ['SECRET_IN_TRANSCRIPT']} at {socket.gethostname()}").reply
