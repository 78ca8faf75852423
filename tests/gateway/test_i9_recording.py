"""I9: no secret reaches a recording, of whatever kind, wherever it stands, whoever says it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.frames import TEXT
from pytest_dgbudget.recording.lines import Side
from tests.support.recordings import CLIENT, DIALLED_MS, VENDOR, Recorder, message

KEY = "4f3c2b1a00000000000000000000000000000key"
PATTERN = re.compile(r"CARD-\d{4}")
# Characters that JSON and URLs write in several ways, between some that make it distinct.
AWKWARD = st.text(st.sampled_from('ab"\\/é\u2028😀 %&'), min_size=1, max_size=6)
SECRETS = AWKWARD.map(lambda middle: f"zQx7{middle}7xQz-end")

Hide = Callable[[str], Any]


PLACES: list[Hide] = [
    lambda secret: secret,
    lambda secret: f"before {secret} after",
    lambda secret: [1, {"deep": [secret]}],
    lambda secret: {f"key {secret}": 1},
    lambda secret: json.dumps({"inner": secret}),
    lambda secret: json.dumps({"inner": json.dumps([secret, json.dumps({secret: secret})])}),
    lambda secret: "it was " + json.dumps(json.dumps({"a": secret})) + " they said",
    lambda secret: "".join(f"\\u{unit:04X}" for unit in utf16(secret)),
    lambda secret: '{"broken": ' + json.dumps(secret) + ",}",
    lambda secret: '{"broken": ' + json.dumps(secret, ensure_ascii=False).replace("/", "\\/"),
]


def utf16(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


# Settings whose secret is known by where it stands.
def within_json(secret: str) -> Any:
    return {"think": {"prompt": json.dumps({"client_secret": secret})}}


SETTINGS: list[Hide] = [
    lambda secret: {"think": {"endpoint": {"headers": {"x-custom": secret}}}},
    lambda secret: {"think": [{"endpoint": {"headers": {"authorization": f"Bearer {secret}"}}}]},
    lambda secret: {"think": {"provider": {"type": "aws_bedrock", "credentials": {"session_token": secret}}}},
    lambda secret: {"speak": {"provider": {"type": "aws_polly", "credentials": [{"deep": {"er": secret}}]}}},
    lambda secret: {"think": {"functions": [{"endpoint": {"headers": [["name", secret]]}}]}},
    lambda secret: {"Api-Key": secret},
    within_json,
]
IN_URLS: list[Hide] = [
    lambda secret: {"think": {"endpoint": {"url": f"https://user:{secret}@host/path"}}},
    lambda secret: {"think": {"endpoint": {"url": f"https://host/path?anything={secret}&b=1"}}},
]
URL_SECRETS = st.text(st.sampled_from("abcXYZ0189-_~%."), min_size=12, max_size=20)


@dataclass(frozen=True)
class Said:
    side: Side
    text: bytes


def written_bytes(said: list[Said], *, secrets: list[str]) -> bytes:
    """Return every byte of every file of a recording."""
    with TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), patterns=[PATTERN])
        recording = recorder.begin(secrets=secrets)
        for each in said:
            chunk = Chunk(DIALLED_MS, message(TEXT, each.text, mask=each.side == CLIENT))
            (recording.client_sent if each.side == CLIENT else recording.vendor_sent)(chunk)
        recording.happened("closed", 0, {"reason": said[-1].text.decode()})
        recording.ended()
        recorder.close()
        session = recorder.read()
        assert session.complete
        assert len([line for line in session.lines if line.direction != "gateway"]) == len(said)
        return b"".join(file.read_bytes() for file in sorted(Path(folder).rglob("*")) if file.is_file())


def forms(secret: str) -> list[bytes]:
    """Return a secret as any level of JSON may write it; the file itself is one."""
    found = []
    for ascii_ in (True, False):
        text = secret
        for _ in range(4):
            found.append(text.encode())
            text = json.dumps(text, ensure_ascii=ascii_)[1:-1]
    return found


def assert_none_of(secret: str, written: bytes) -> None:
    assert [form for form in forms(secret) if form in written] == []
    assert b"zQx7" not in written


MESSAGES: list[Hide] = [
    lambda content: {"type": "ConversationText", "role": "user", "content": content},
    lambda content: {"type": "Error", "code": "X", "description": content},
    lambda content: {"type": "FunctionCallRequest", "functions": [{"id": "1", "arguments": json.dumps(content)}]},
    lambda content: {"type": "Welcome", "request_id": content},
    lambda content: {"type": content},
    lambda content: {"type": "(audio)", "bytes": content},
    lambda content: content,
]


@given(
    secret=SECRETS,
    place=st.sampled_from(PLACES),
    wrap=st.sampled_from(MESSAGES),
    side=st.sampled_from([CLIENT, VENDOR]),
    ascii_=st.booleans(),
    whole=st.booleans(),
)
def test_i9_a_known_secret_is_replaced_in_any_place_of_any_message(
    secret: str, place: Hide, wrap: Hide, side: Side, ascii_: bool, whole: bool
) -> None:
    text = json.dumps(wrap(place(secret)), ensure_ascii=ascii_)
    said = Said(side, text.encode() if whole else text[:-1].encode())
    assert_none_of(secret, written_bytes([said], secrets=[KEY, secret]))


@given(
    secret=SECRETS,
    where=st.sampled_from(SETTINGS),
    kind=st.sampled_from(["Settings", "UpdateThink", "UpdateSpeak"]),
    place=st.sampled_from(PLACES),
    wrap=st.sampled_from(MESSAGES),
)
def test_i9_a_secret_of_settings_is_replaced_there_and_where_the_vendor_repeats_it(
    secret: str, where: Hide, kind: str, place: Hide, wrap: Hide
) -> None:
    said = [
        Said(CLIENT, json.dumps({"type": kind, "greeting": f"say {secret}", "agent": where(secret)}).encode()),
        Said(VENDOR, json.dumps(wrap(place(secret))).encode()),
    ]
    assert_none_of(secret, written_bytes(said, secrets=[KEY]))


@given(secret=URL_SECRETS, where=st.sampled_from(IN_URLS), wrap=st.sampled_from(MESSAGES))
def test_i9_a_secret_of_an_endpoint_s_url_is_replaced_there_and_where_it_is_repeated(
    secret: str, where: Hide, wrap: Hide
) -> None:
    said = [
        Said(CLIENT, json.dumps({"type": "Settings", "agent": where(secret)}).encode()),
        Said(VENDOR, json.dumps(wrap(f"got {secret}")).encode()),
    ]
    assert secret.encode() not in written_bytes(said, secrets=[])


@given(
    secret=SECRETS,
    where=st.sampled_from(SETTINGS),
    tail=st.sampled_from(["", ",}", "}}}", ' "more": 1', " NaN"]),
    before=st.sampled_from(["", "Settings: ", "\n\t"]),
)
def test_i9_settings_that_are_no_json_are_scrubbed_as_text(secret: str, where: Hide, tail: str, before: str) -> None:
    assume(where is not within_json or '"' not in secret)  # there, nobody could say where it ends
    broken = before + json.dumps({"type": "Settings", "agent": where(secret)})[:-2] + tail
    said = [Said(CLIENT, broken.encode()), Said(VENDOR, json.dumps({"type": "Error", "description": secret}).encode())]
    assert_none_of(secret, written_bytes(said, secrets=[]))


@given(place=st.sampled_from(PLACES), wrap=st.sampled_from(MESSAGES), side=st.sampled_from([CLIENT, VENDOR]))
def test_i9_what_matches_a_user_s_pattern_is_replaced(place: Hide, wrap: Hide, side: Side) -> None:
    hidden = place("CARD-1234")
    if "\\u" in str(hidden):
        return  # a pattern matches text, and not what text stands for
    written = written_bytes([Said(side, json.dumps(wrap(hidden)).encode())], secrets=[])
    assert b"CARD-1234" not in written
