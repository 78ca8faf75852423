"""What is recorded once and replayed: by our client and by one that knows nothing of us."""

import copy
import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pytest_dgbudget import CassetteError, VoiceAgent

SAID = os.environ.get("SAID", "Where is my order?")
SETTINGS: dict[str, Any] = {
    "type": "Settings",
    "audio": {"output": {"encoding": "linear16", "sample_rate": 16000, "container": "none"}},
    "agent": {
        "greeting": "Hello!",
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
            "prompt": os.environ.get("PROMPT", "Brief."),
        },
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    },
}


def open_raw() -> ClientConnection:
    headers = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}
    return connect(os.environ["DGBUDGET_AGENT_URL"], additional_headers=headers, proxy=None)


def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of this type."""
    while True:
        received = socket.recv(timeout=20)
        if isinstance(received, str):
            message: dict[str, Any] = json.loads(received)
            if message["type"] == kind:
                return message


def test_ours(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        assert session.say(SAID).reply == f"You said: {SAID}"


@pytest.mark.dg_cassette(ignore=["InjectUserMessage/content"])
def test_ignores(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        session.say(SAID)


def test_raw() -> None:
    """It notices nothing of how its session ends."""
    with open_raw() as socket:
        welcome = until(socket, "Welcome")
        assert socket.response is not None
        assert socket.response.headers["dg-request-id"] == welcome["request_id"]
        socket.send(json.dumps(SETTINGS))
        until(socket, "AgentAudioDone")
        socket.send('{"type": "KeepAlive"}')
        socket.send(json.dumps({"type": "InjectUserMessage", "content": SAID}))
        try:
            until(socket, "AgentAudioDone")
        except ConnectionClosed as closed:
            Path("closed").write_text(json.dumps(closed.rcvd and [closed.rcvd.code, closed.rcvd.reason]))


def talks() -> bool:
    """Return whether a session went on to its end, and was not closed before."""
    with suppress(ConnectionClosed), open_raw() as socket:
        until(socket, "Welcome")
        socket.send(json.dumps(SETTINGS))
        until(socket, "AgentAudioDone")
        socket.send(json.dumps({"type": "InjectUserMessage", "content": SAID}))
        until(socket, "AgentAudioDone")
        return True
    return False


def test_reconnects() -> None:
    """Its client connects again whenever it is closed, until it is refused."""
    try:
        any(talks() for _ in range(5))
    except InvalidStatus as refused:
        answer = refused.response
        Path("refused").write_text(json.dumps([answer.status_code, json.loads(answer.body or b"")]))


def test_leaves_early(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        session.wait_until_silent()
        if "LEAVES" not in os.environ:
            session.say(SAID)


def test_two_at_once() -> None:
    """The one that is opened last says first who it is."""
    other = copy.deepcopy(SETTINGS)
    other["agent"]["greeting"] = "Good evening!"
    with open_raw() as one, open_raw() as two:
        for socket, settings in (
            ((two, other), (one, SETTINGS)) if "SWAPS" in os.environ else ((one, SETTINGS), (two, other))
        ):
            until(socket, "Welcome")
            socket.send(json.dumps(settings))
            assert until(socket, "ConversationText")["content"] == settings["agent"]["greeting"]
            until(socket, "AgentAudioDone")


def test_sessions(voice_agent: VoiceAgent) -> None:
    """Opens as many as it is told to."""
    for _ in range(int(os.environ.get("SESSIONS", "1"))):
        with voice_agent.connect(settings=SETTINGS) as session:
            session.say(SAID)


def test_passes_the_second_time(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        session.say(SAID)
    if "FAILS" in os.environ and not Path("failed").exists():
        Path("failed").touch()
        raise AssertionError("the first time")


def test_is_refused(voice_agent: VoiceAgent) -> None:
    """It has no cassette in the project."""
    with pytest.raises(
        CassetteError, match=r"has no cassette: there is none in cassettes/test_talks.*--dg-record=once"
    ):
        voice_agent.connect(settings=SETTINGS).__enter__()


def test_hangs(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        session.wait_until_silent()
        if "HANGS" in os.environ:
            Path("hangs").touch()
            session.expect("Error", timeout="60s")
        session.say(SAID)


def test_swallows_all(voice_agent: VoiceAgent) -> None:
    """Its first session has a cassette, the second lasts longer than its budget."""
    if "SWALLOWS" in os.environ:
        connected = partial(voice_agent.connect, settings=SETTINGS)
        with suppress(Exception), connected() as replayed, connected() as dialled:
            with suppress(Exception):
                replayed.say("Where is my parcel?")
            dialled.expect("Error", timeout="60s")


def fail_by_itself() -> None:
    if "INTERRUPTS" in os.environ:
        raise KeyboardInterrupt
    assert "FAILS" not in os.environ, "it failed by itself"


def test_fails_in_its_session(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        session.wait_until_silent()
        fail_by_itself()
        session.say(SAID)


def test_leaves_it_open() -> None:
    """Its session is closed when the test is over."""
    socket = open_raw()
    until(socket, "Welcome")
    socket.send(json.dumps(SETTINGS))
    until(socket, "AgentAudioDone")
    fail_by_itself()
    socket.send(json.dumps({"type": "InjectUserMessage", "content": SAID}))
    until(socket, "AgentAudioDone")
    socket.close()
