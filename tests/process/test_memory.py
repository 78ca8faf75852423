"""What a gateway keeps of the audio of many sessions is bounded, however much they send."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from tests.support.gateway import opened
from tests.support.vendor import Vendor

SESSIONS = 100
MOST_MIB = 80
# 24 kHz linear16, as by default: a second of it.
SECOND = bytes(48_000)
SETTINGS = json.dumps({"type": "Settings", "agent": {}})


@pytest.mark.slow
def test_a_hundred_sessions_with_more_audio_than_is_kept_stay_within_80_mib(tmp_path: Path) -> None:
    with Vendor() as vendor, opened(vendor.url, tmp_path, max_sessions=SESSIONS) as gateway, ExitStack() as stack:
        sessions: list[ClientConnection] = []
        for _ in range(SESSIONS):
            session = stack.enter_context(gateway.session(gateway.grant().token))
            session.recv(10)
            session.send(SETTINGS)
            session.recv(10)
            sessions.append(session)
        for _ in range(12):
            for session in sessions:
                session.send(SECOND)
        for session in sessions:  # what was sent before it has passed once it is answered
            session.send(json.dumps({"type": "InjectUserMessage", "content": "hello"}))
            while "AgentAudioDone" not in str(session.recv(10)):
                pass
        resident_mib = gateway.resident_kib() / 1024
        print(f"{resident_mib:.1f} MiB")
        assert resident_mib < MOST_MIB
