"""I9: no secret reaches a cassette, wherever in a session it stands, and what is none is none to us."""

from __future__ import annotations

import base64
import json
import re
import string
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.scrubbing import without_secrets
from pytest_dgbudget.cassette.secret_shapes import find_secret
from pytest_dgbudget.cassette.store import cassettes_in, write_cassettes
from pytest_dgbudget.errors import CassetteRefused
from tests.support.cassettes import CONVERSATION, cassette
from tests.support.recorded_sessions import WELCOME, Step
from tests.support.recordings import CLIENT, VENDOR

HEX = "0123456789abcdef"
LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits


class Drawn:
    """As random as secrets are: Hypothesis itself would repeat one letter."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def of(self, alphabet: str, size: int) -> str:
        """Return so many letters and digits, at least one of them a digit, as nearly all have."""
        drawn = "".join(self._random.choices(alphabet, k=size))
        return drawn if any(map(str.isdigit, drawn)) else self.of(alphabet, size)


SHAPES: dict[str, Callable[[Drawn], str]] = {
    "Deepgram": lambda drawn: drawn.of(HEX, 40),
    "Deepgram in capitals": lambda drawn: drawn.of(HEX.upper(), 40),
    "JWT": lambda drawn: f"eyJ{drawn.of(LETTERS, 20)}.eyJ{drawn.of(LETTERS, 40)}.{drawn.of(LETTERS, 43)}",
    "PEM": lambda drawn: f"-----BEGIN RSA PRIVATE KEY-----\n{drawn.of(LETTERS, 64)}\n",
    "AWS": lambda drawn: f"AKIA{drawn.of(LETTERS[26:], 16)}",
    "Google": lambda drawn: f"AIza{drawn.of(LETTERS + '-_', 35)}",
    "GitHub": lambda drawn: f"ghp_{drawn.of(LETTERS, 36)}",
    "GitLab": lambda drawn: f"glpat-{drawn.of(LETTERS, 20)}",
    "Slack": lambda drawn: f"xoxb-{drawn.of(HEX[:10], 12)}-{drawn.of(LETTERS, 24)}",
    "Stripe": lambda drawn: f"sk_live_{drawn.of(LETTERS, 24)}",
    "OpenAI": lambda drawn: f"sk-proj-{drawn.of(LETTERS, 48)}",
    "Anthropic": lambda drawn: f"sk-ant-api03-{drawn.of(LETTERS, 90)}",
    "ElevenLabs": lambda drawn: f"sk_{drawn.of(HEX, 48)}",
    "Groq": lambda drawn: f"gsk_{drawn.of(LETTERS, 52)}",
    "URL": lambda drawn: f"https://me:{drawn.of(LETTERS, 12)}@host/path",
    "bearer": lambda drawn: f"Authorization: Bearer {drawn.of(LETTERS, 40)}",
    "by its name": lambda drawn: f"api_key={drawn.of(LETTERS, 48)}",
}
Hide = Callable[[str], Any]
HIDDEN: list[Hide] = [
    lambda secret: secret,
    lambda secret: f"it is {secret}, they said",
    lambda secret: f"(“{secret}”)",
    lambda secret: [1, {"deep": [secret]}],
    lambda secret: {secret: 1},
    lambda secret: {"~/": {f"of {secret}": 1}},
    lambda secret: {"password": secret},
    lambda secret: json.dumps({"inner": secret}),
    lambda secret: json.dumps([json.dumps({secret: json.dumps(secret)})]),
    lambda secret: f'{{"broken": "{secret}",}}',
    lambda secret: "".join(f"\\u{ord(each):04x}" for each in secret),
    lambda secret: f"https://host/path?x-of={secret}&b=1",
    lambda secret: f"https://host/path?x={''.join(f'%{ord(each):02X}' for each in secret)}",
    lambda secret: json.dumps({"lines": f"one\n{secret}\ttwo"}),
    lambda secret: json.dumps({"key": [secret.partition("=")[2] or secret]}),
    lambda secret: '{"broken": ' + json.dumps(f"one\n{secret}") + ",}",
    lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
]
MESSAGES: list[Callable[[Any], Step]] = [
    lambda content: (2720, VENDOR, {"type": "ConversationText", "role": "user", "content": content}),
    lambda content: (2720, VENDOR, {"type": "Error", "code": content, "description": "wrong"}),
    lambda content: (2720, VENDOR, {"type": content}),
    lambda content: (2720, VENDOR, {"type": "FunctionCallRequest", "functions": [{"id": content, "name": "f"}]}),
    lambda content: (2720, VENDOR, {"type": "LatencyReport", "total_latency": content}),
    lambda content: (2720, CLIENT, {"type": "FunctionCallResponse", "id": "?", "name": "f", "content": content}),
    lambda content: (2720, CLIENT, {"type": "KeepAlive", "more": content}),
    lambda content: (2720, CLIENT, content),
    lambda content: (
        211,
        CLIENT,
        {"type": "Settings", "audio": {"input": {"encoding": content, "sample_rate": 8000}}, "agent": {"b": content}},
    ),
]


def written(made: Cassette, folder: Path, **options: Any) -> bytes:
    """Return every byte of every file but the audio's."""
    write_cassettes(folder, [made], **options)
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*.json*")))


def assert_gone(planted: Any, secret: str, files: bytes) -> None:
    """Neither the secret is there, nor the form in which it was hidden, in any way in which JSON writes it."""
    forms = {secret, *(each for each in _texts(planted) if each not in _KEPT)}
    for form in forms:
        for text in (form, json.dumps(form)[1:-1], json.dumps(json.dumps(form)[1:-1])[1:-1]):
            assert text.encode() not in files


_KEPT = ("deep", "~/", "password")


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for each in value.values() for text in _texts(each))]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


@given(
    shape=st.sampled_from([*SHAPES.values()]),
    seed=st.integers(0, 2**32),
    hide=st.sampled_from(HIDDEN),
    message=st.sampled_from(MESSAGES),
    in_reason=st.booleans(),
)
def test_i9_no_secret_reaches_a_cassette(
    shape: Callable[[Drawn], str], seed: int, hide: Hide, message: Callable[[Any], Step], in_reason: bool
) -> None:
    secret = shape(Drawn(seed))
    planted = hide(secret)
    with TemporaryDirectory() as folder:
        reason = str(planted) if in_reason else ""
        steps = CONVERSATION if in_reason else [*CONVERSATION, message(planted)]
        made = cassette(Path(folder) / "recordings", steps, reason=reason)
        try:
            files = written(made, Path(folder) / "test")
        except CassetteRefused as refused:
            assert_gone(planted, secret, f"{refused} {refused.pointer} {refused.kind}".encode())
            assert not (Path(folder) / "test").exists()
        else:
            assert_gone(planted, secret, files)


@pytest.mark.parametrize("name", SHAPES)
def test_each_kind_is_found_wherever_it_stands(name: str) -> None:
    for secret in (SHAPES[name](Drawn(seed)) for seed in range(20)):
        hidden = [find_secret({"content": hide(secret)}) is not None for hide in HIDDEN]
        assert hidden == [True] * len(HIDDEN), secret


HARMLESS = [
    "6f1e1c0a-2f0e-4c56-9a8e-0d8f4b1c9e77",
    "d41d8cd98f00b204e9800998ecf8427e",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "https://github.com/o/r/commit/2fd4e1c67a2d28fced849ee1bb76e7391b93eb12, the commit",
    "in commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "1234567890123456789012345678901234567890",
    "aura-2-thalia-en, flux-general-en, gpt-4o-mini-2024-07-18, claude-3-5-haiku-20241022, anthropic.claude-v2:1",
    "21m00Tcm4TlvDq8ikWAM",
    "the token: a coin with a hole, and the key: nothing but patience",
    "Your password must have 12 characters, a digit and a sign. The secret ingredient is basil.",
    "call me at +49 (0)171 2345678-90 or me.you+tag@example.com, bearer of good news",
    "https://api.example.com/v1/orders/2024-11-30-000123?page_size=20&signed=no#part",
    "2026-11-30T23:59:59.900Z",
    "request-1, call-1, [scrubbed]",
    "https://[scrubbed]@host/v1?api_key=[scrubbed]",
    "task-force-of-engineers-2024, risk-assessment-for-2024-12, hf_hub_download_with_retries_2",
    "pi_3MtwBwLkdIwHu7ix28a3tqPD",
    "AKIA is how they begin; eyJhbGciOiJIUzI1NiJ9 is a header",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24=",
    "Donaudampfschifffahrtsgesellschaftskapitän",
]
HARMLESS_FIELDS = [
    {
        "api_key": "[scrubbed]",
        "authorization": "[scrubbed]",
        "max_tokens": 4096,
        "ttt_token_latency": 0.123456789012345,
    },
    {"key": "order-2024-11-30-000123", "primary_key": "9f86d081884c7d659a2feaa0c55ad015", "keyterms": ["one", "two"]},
    {"password": {"type": "string", "description": "At least twelve characters, one of them a digit"}},
    {"auth": "none", "key": "6f1e1c0a-2f0e-4c56-9a8e-0d8f4b1c9e77", "pass": True, "credentials": None},
    {"thought_signature": "CiQBVKhc7m0Yq1Z8v3Xb9aJ2kQ0Wl5Rt6Ue4Pp7Dd1Ff3Gg5Hh8Jj"},
    {"key": "/photos/2024/11/cat-on-the-mat.jpeg"},
]


@pytest.mark.parametrize("message", [*HARMLESS, *(json.dumps({"inner": each}) for each in HARMLESS), *HARMLESS_FIELDS])
def test_what_is_no_secret_does_not_look_like_one(message: Any) -> None:
    assert find_secret({"content": message, "functions": [{"arguments": json.dumps(message)}]}) is None


def test_no_text_takes_long_to_be_searched() -> None:
    for piece in (
        "a",
        "A1",
        "sk-",
        "key=",
        "eyJ-",
        "0a-",
        "token:",
        "//",
        "%41",
        "\\u0041",
        "-----BEGIN A ",
        "{[",
        "YWFh",
        "bearer ",
        "x_-.",
    ):
        text = piece * (32 * 1024 // len(piece))
        begun = time.perf_counter()
        find_secret({"content": text})
        assert time.perf_counter() - begun < 2


def said(text: str) -> Step:
    return 2720, VENDOR, {"type": "ConversationText", "role": "user", "content": text}


def test_a_refusal_says_where_and_what_and_not_which(tmp_path: Path) -> None:
    key = Drawn(1).of(HEX, 40)
    made = cassette(
        tmp_path / "recordings", [*CONVERSATION, (2720, VENDOR, {"type": "X", "a/b": ["", f"it is {key}"]})]
    )
    with pytest.raises(CassetteRefused, match="dg_scrub") as refused:
        write_cassettes(tmp_path / "test", [made])
    assert (refused.value.line, refused.value.pointer) == (15, "/a~1b/1")
    assert refused.value.kind == "an API key of 40 hexadecimal digits"
    assert "line 15 of session 1 (server) has an API key of 40 hexadecimal digits at /a~1b/1, or" in str(refused.value)
    assert key not in str(refused.value)


def test_one_that_is_refused_leaves_all_that_the_test_had(tmp_path: Path) -> None:
    good = cassette(tmp_path / "good")
    bad = cassette(tmp_path / "bad", [*CONVERSATION, said(Drawn(1).of(HEX, 40))])
    write_cassettes(tmp_path / "test", [good])
    with pytest.raises(CassetteRefused):
        write_cassettes(tmp_path / "test", [good, bad])
    (kept,) = cassettes_in(tmp_path / "test")
    assert kept == replace(good, folder=kept.folder)


def test_what_the_hook_replaces_is_marked_and_no_longer_refused(tmp_path: Path) -> None:
    key = Drawn(1).of(HEX, 40)
    made = cassette(tmp_path / "recordings", [*CONVERSATION, said(f"Anna has {key}")], reason="Anna left")
    scrub = partial(re.compile(f"Anna|{key}").sub, "NAME")
    write_cassettes(tmp_path / "test", [made], scrub)
    (found,) = cassettes_in(tmp_path / "test")
    assert found.facts.close_reason == "NAME left"
    texts = [event for event in found.events if isinstance(event, CassetteText)]
    assert texts[-1].payload["content"] == "NAME has NAME"
    assert [text.scrubbed for text in texts if text.scrubbed] == [("/content",)]


def test_what_the_hook_replaces_in_settings_stands_nowhere_else(tmp_path: Path) -> None:
    word = "of-the-client's-own"
    sent = (210, CLIENT, {"type": "Settings", "audio": {"input": {"encoding": word, "sample_rate": 8000}}})
    made = cassette(tmp_path / "recordings", [WELCOME, sent, (300, CLIENT, b"audio")])
    assert word.encode() not in written(made, tmp_path / "test", scrub=lambda text: text.replace(word, "ENCODING"))


def test_a_hook_that_fails_loses_the_text(tmp_path: Path) -> None:
    def fails(text: str) -> str:
        raise ValueError(text)

    files = written(cassette(tmp_path / "recordings"), tmp_path / "test", scrub=fails)
    assert b"order 1234" not in files


def test_what_is_known_by_its_place_is_replaced(tmp_path: Path) -> None:
    message = {"type": "X", "endpoint": {"headers": {"a": "b"}}}
    made = cassette(tmp_path)
    *others, last = made.events
    assert isinstance(last, CassetteText)
    once = without_secrets(replace(made, events=(*others, replace(last, payload=message))), None, 1)
    last = once.events[-1]
    assert isinstance(last, CassetteText)
    assert last.payload == {"type": "X", "endpoint": {"headers": {"a": "[scrubbed]"}}}
    assert last.scrubbed == ("/endpoint/headers/a",)
    assert without_secrets(once, None, 1) == once


def test_audio_is_what_it_is(tmp_path: Path) -> None:
    key = Drawn(1).of(HEX, 40).encode()
    made = cassette(tmp_path / "recordings", [*CONVERSATION, (2720, VENDOR, key)])
    write_cassettes(tmp_path / "test", [made])
    (found,) = cassettes_in(tmp_path / "test")
    assert found.audio[VENDOR].endswith(key)
