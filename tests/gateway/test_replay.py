"""Which cassette a session uses, and how its client's texts are read, without sockets."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.matching import PlayableCassette, Player
from pytest_dgbudget.config.parsing import cassette_ignore
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.gateway.frames import BINARY, CLOSE, TEXT, frame
from pytest_dgbudget.gateway.targets.cassette_peer import Scrubbing
from pytest_dgbudget.gateway.targets.replay import Replay, UnusedCassettes
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.model import CassetteTerms, Mismatch
from pytest_dgbudget.recording.lines import LEFT_OUT
from pytest_dgbudget.rules.cassette_ignore import parse_ignore
from tests.gateway.memory import ManualClock, MemoryTransport, messages
from tests.support.cassettes import cassette

TERMS = CassetteTerms(folder="", ignore=(), audio="any")
TAG = "dgbudget-run"
SETTINGS = {"type": "Settings", "agent": {"greeting": "Hello"}}


@pytest.fixture
def one(tmp_path: Path) -> Cassette:
    return cassette(tmp_path)


def settings_of(cassette: Cassette) -> object:
    texts = (event for event in cassette.events if isinstance(event, CassetteText))
    return next(text.payload for text in texts if text.side == "client_to_server")


def test_a_session_whose_settings_have_not_come_uses_one(one: Cassette) -> None:
    unused = UnusedCassettes(TERMS, [PlayableCassette(one), PlayableCassette(replace(one, folder=Path("2")))])
    unused.reserve()
    assert unused.left == 1
    unused.reserve()
    assert unused.left == 0
    unused.give_back()
    assert unused.left == 1


def test_a_session_uses_the_first_with_its_settings_and_no_other_one_does(one: Cassette) -> None:
    unused = UnusedCassettes(TERMS, [PlayableCassette(one), PlayableCassette(replace(one, folder=Path("2")))])
    unused.reserve()
    unused.reserve()
    first, second = unused.choose(settings_of(one)), unused.choose(settings_of(one))
    assert isinstance(first, PlayableCassette)
    assert isinstance(second, PlayableCassette)
    assert first.cassette is one
    assert (second.cassette.folder, unused.left) == (Path("2"), 0)


def test_other_settings_use_none(one: Cassette) -> None:
    unused = UnusedCassettes(TERMS, [PlayableCassette(one)])
    unused.reserve()
    assert isinstance(unused.choose({"type": "Settings", "agent": {}}), Mismatch)
    assert unused.left == 1


def read(text: object) -> object:
    scrubbing = Scrubbing(TAG, ["a-secret-of-the-run"], [re.compile("[0-9]{4}")])
    return scrubbing.of_session(Secrets("a-token-of-the-test")).payload(json.dumps(text).encode())


def test_a_clients_text_is_as_a_recording_has_it() -> None:
    assert read({**SETTINGS, "tags": ["own", TAG]}) == {**SETTINGS, "tags": ["own"]}
    assert read({"tags": [TAG], **SETTINGS}) == SETTINGS
    said = "a-secret-of-the-run a-token-of-the-test 1234"
    assert read({"type": "InjectUserMessage", "content": said}) == {
        "type": "InjectUserMessage",
        "content": "[scrubbed] [scrubbed] [scrubbed]",
    }
    assert read("x" * 200_000) == {"type": LEFT_OUT, "bytes": 200_002}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Settings/agent/think/prompt", True),
        ("Settings/*/~0~1", True),
        ("A/", True),
        ("Settings", False),
        ("/agent", False),
        ("Settings/a~2", False),
        ("a b/c", False),
        ("Settings/type", False),
        ("Settings/agent/type", True),
    ],
)
def test_what_may_change_is_read_alike_where_it_is_given_and_where_it_is_used(text: str, is_one: bool) -> None:
    if is_one:
        assert cassette_ignore(text) == (text,)
        parse_ignore(text)
    else:
        with pytest.raises(SettingsError):
            cassette_ignore(text)
        with pytest.raises(ValueError, match=re.escape(text)):
            parse_ignore(text)


def sent(opcode: int, text: str) -> bytes:
    return frame(opcode, text.encode(), mask=True)


class Played:
    """A session that a cassette plays, without sockets."""

    def __init__(self, one: Cassette) -> None:
        self.clock = ManualClock()
        self.unused = UnusedCassettes(TERMS, [PlayableCassette(one)])
        scrubbing = Scrubbing(TAG, [], [])
        self.replay = Replay(self.unused, "max", self.clock, scrubbing, beside_live=False)
        self.peer = self.replay.peer(Secrets())
        self.transport = MemoryTransport()
        self.peer.connection_made(self.transport)
        self.clock.advance(1)

    @property
    def closed(self) -> tuple[int, str] | None:
        """The code and reason of the Close that the client has."""
        close = next((data for opcode, data in messages(self.transport.written) if opcode == CLOSE), None)
        return None if close is None else (int.from_bytes(close[:2], "big"), close[2:].decode())


def test_what_can_t_be_played_is_a_mismatch_and_not_a_vendor_that_is_lost(
    one: Cassette, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise KeyError("text")

    said: list[object] = []
    for name in ("due", "client_said", "client_sent_audio"):
        with monkeypatch.context() as broken:
            broken.setattr(Player, name, fail)
            played = Played(one)
            played.peer.data_received(sent(TEXT, json.dumps(settings_of(one))))
            played.peer.data_received(sent(BINARY, "audio"))
            said.append(played.closed)
            assert played.replay.replayed.mismatch is not None
    assert said == [(4409, "The gateway failed to play the cassette (KeyError).")] * 3


def test_a_clients_close_ends_the_connection_and_is_left_to_the_relay_to_answer(one: Cassette) -> None:
    played = Played(one)
    played.peer.data_received(frame(9, b"", mask=True))
    played.peer.data_received(frame(CLOSE, (1000).to_bytes(2, "big"), mask=True))
    assert [opcode for opcode, _ in messages(played.transport.written)][-1] == 10, "a pong"
    assert (played.transport.ended, played.closed) == ("closed", None)


def test_settings_that_come_after_the_end_use_no_cassette(one: Cassette) -> None:
    played = Played(one)
    played.replay.ended("idle")
    assert played.unused.left == 1
    played.peer.data_received(sent(TEXT, json.dumps(settings_of(one))))
    assert (played.unused.left, played.replay.replayed.cassette) == (1, None)
