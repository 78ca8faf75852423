"""Which cassette a session uses, and how its client's texts are read, without sockets."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.config.parsing import cassette_ignore
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.gateway.targets.cassette_peer import Scrubbing
from pytest_dgbudget.gateway.targets.replay import UnusedCassettes
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.model import CassetteTerms, Mismatch
from pytest_dgbudget.recording.lines import LEFT_OUT
from pytest_dgbudget.rules.cassette_ignore import parse_ignore
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
    unused = UnusedCassettes(TERMS, [one, replace(one, folder=Path("2"))])
    unused.reserve()
    assert unused.left == 1
    unused.reserve()
    assert unused.left == 0
    unused.give_back()
    assert unused.left == 1


def test_a_session_uses_the_first_with_its_settings_and_no_other_one_does(one: Cassette) -> None:
    unused = UnusedCassettes(TERMS, [one, replace(one, folder=Path("2"))])
    unused.reserve()
    unused.reserve()
    assert unused.choose(settings_of(one)) is one
    second = unused.choose(settings_of(one))
    assert isinstance(second, Cassette)
    assert (second.folder, unused.left) == (Path("2"), 0)


def test_other_settings_use_none(one: Cassette) -> None:
    unused = UnusedCassettes(TERMS, [one])
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
        ("Settings/type", True),
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
