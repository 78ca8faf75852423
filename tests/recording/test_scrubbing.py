"""What is scrubbed, and what is not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pytest_dgbudget.recording.known_secrets import SCRUBBED
from pytest_dgbudget.recording.lines import LEFT_OUT, payload_of
from pytest_dgbudget.recording.scrubbing import Scrubber

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"


def scrubbed(payload: Any, **options: Any) -> Any:
    return Scrubber([KEY], **options).scrub(payload)


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "Proxy-Authorization", "api_key", "apiKey", "x-api-key", "access_token", "token"),
        *("X-Auth-Token", "secret", "client_secret", "secret_access_key", "password", "private_key", "Set-Cookie"),
    ],
)
def test_a_value_is_scrubbed_where_its_key_names_a_secret(name: str) -> None:
    assert scrubbed({"deep": [{name: "short", "other": "kept"}]}) == {"deep": [{name: SCRUBBED, "other": "kept"}]}
    assert scrubbed({name: {"inner": 5, "off": False, "none": None}}) == {
        name: {"inner": SCRUBBED, "off": False, "none": None}
    }


@pytest.mark.parametrize("name", ["max_tokens", "max_token", "ttt_token_latency", "tokens", "keyterms", "secretary"])
def test_a_key_that_only_sounds_like_a_secret_keeps_its_value(name: str) -> None:
    assert scrubbed({name: 250}) == {name: 250}
    assert scrubbed({name: "kept"}) == {name: "kept"}


def test_what_has_no_secret_is_as_it_was() -> None:
    plain = {
        "type": "Settings",
        "nested": json.dumps({"a": 1}, indent=3),
        "numbers": [0, -1.5, 10**30, True, None],
        "said": "my password is long, and the token: a coin",
        "url": "https://example.com/a//b?page=2#end",
        "text": "half \ud800 of a character",
    }
    assert scrubbed(plain) == plain


def test_an_endpoint_keeps_the_names_of_its_headers_and_its_url_without_secrets() -> None:
    endpoint = {"url": "https://me:pw@host:8/v1?key=1&flag#part", "headers": {"x-a": "1", "b": ["2", {"c": 3}]}}
    assert scrubbed({"endpoint": endpoint}) == {
        "endpoint": {
            "url": f"https://{SCRUBBED}@host:8/v1?key={SCRUBBED}&{SCRUBBED}&{SCRUBBED}",
            "headers": {"x-a": SCRUBBED, "b": [SCRUBBED, {"c": SCRUBBED}]},
        }
    }


def test_the_schema_of_a_function_s_parameters_is_kept() -> None:
    schema = {"parameters": {"properties": {"password": {"type": "string", "description": "What the user chose"}}}}
    assert scrubbed(schema) == schema
    assert scrubbed({"properties": {"password": "hunter2"}}) == {"properties": {"password": SCRUBBED}}


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("see wss://me:pw@host/path now", f"see wss://{SCRUBBED}@host/path now"),
        ("GET /v1?a=1&access_token=abc&b=2", f"GET /v1?a=1&access_token={SCRUBBED}&b=2"),
        ("sent Bearer abcdefgh.ijkl", f"sent Bearer {SCRUBBED}"),
        ("got {'Authorization': 'Token abc'}", f"got {{'Authorization': 'Token {SCRUBBED}'}}"),
    ],
)
def test_credentials_are_found_in_sentences(text: str, without: str) -> None:
    assert scrubbed({"description": text}) == {"description": without}


def test_a_short_value_is_replaced_only_where_it_stood() -> None:
    scrubber = Scrubber([])
    settings = {"type": "Settings", "agent": {"endpoint": {"headers": {"x": "abc"}}, "greeting": "abc"}}
    assert scrubber.scrub(settings, from_client=True)["agent"] == {
        "endpoint": {"headers": {"x": SCRUBBED}},
        "greeting": "abc",
    }


def test_what_a_url_encodes_is_known_in_plain_text_as_well() -> None:
    scrubber = Scrubber([])
    url = "https://me:pass%40word@host/?key=query%2Bsecret"
    scrubber.scrub({"type": "Settings", "endpoint": {"url": url}}, from_client=True)
    assert scrubber.scrub(["pass@word", "query+secret"]) == [SCRUBBED, SCRUBBED]


def test_what_may_be_a_word_is_known_from_the_client_s_settings_alone() -> None:
    scrubber = Scrubber([])
    scrubber.scrub({"type": "FunctionCallResponse", "token": "customer", "secret": "0123456789012"}, from_client=True)
    scrubber.scrub({"type": "Settings", "token": "customer"})
    plain = {"content": "dear customer 0123456789012"}
    assert scrubber.scrub(plain) == plain


@pytest.mark.parametrize("from_client", [True, False])
def test_a_secret_of_any_message_is_replaced_where_it_is_repeated(*, from_client: bool) -> None:
    scrubber = Scrubber([])
    answer = {"type": "FunctionCallResponse", "content": json.dumps({"found": {"password": "p2Xe7gV9nM3k"}})}
    scrubber.scrub(answer, from_client=from_client)
    assert scrubber.scrub({"content": "it is p2Xe7gV9nM3k"}) == {"content": f"it is {SCRUBBED}"}


def test_no_number_of_secrets_in_answers_leaves_a_text_out() -> None:
    scrubber = Scrubber([])
    tokens = [{"token": f"a{number:0100}"} for number in range(1000)]
    scrubber.scrub({"type": "FunctionCallResponse", "content": json.dumps(tokens)}, from_client=True)
    assert scrubber.scrub({"type": "Welcome"}) == {"type": "Welcome"}
    scrubber.scrub({"type": "Settings", "endpoint": {"headers": {"x": "y" * 10_000}}}, from_client=True)
    assert scrubber.scrub(["y" * 10_000]) == [SCRUBBED]


def test_a_user_s_patterns_are_applied_to_strings_keys_and_numbers() -> None:
    patterns = [re.compile(r"\d{4}-\d{4}"), re.compile(r"^4\d{5}$"), re.compile("x*")]
    payload = {"1234-5678": "card 1234-5678", "n": 411111, "m": 41111, "nested": json.dumps(["1234-5678"])}
    assert scrubbed(payload, patterns=patterns) == {
        SCRUBBED: f"card {SCRUBBED}",
        "n": SCRUBBED,
        "m": 41111,
        "nested": json.dumps([SCRUBBED]),
    }


def test_the_hook_is_applied_to_every_string_last() -> None:
    seen = []

    def hook(text: str) -> str:
        seen.append(text)
        return text.replace("Ada", "X")

    assert scrubbed({"a": f"Ada {KEY}", "b": [json.dumps({"c": "Ada"})]}, hook=hook) == {
        "a": f"X {SCRUBBED}",
        "b": [json.dumps({"c": "X"})],
    }
    assert f"Ada {SCRUBBED}" in seen
    assert not [text for text in seen if KEY in text]


def test_a_hook_that_fails_loses_the_string() -> None:
    def hook(text: str) -> Any:
        return 1 / 0 if text == "raise" else None

    assert scrubbed(["raise", "nothing"], hook=hook) == [SCRUBBED, SCRUBBED]


def test_with_more_secrets_than_can_be_looked_for_everything_is_left_out() -> None:
    scrubber = Scrubber([])
    headers = {f"x-{number}": f"{number:1000}" for number in range(100)}
    settings = {"type": "Settings", "endpoint": {"headers": headers}}
    assert scrubber.scrub(settings, from_client=True)["type"] == LEFT_OUT
    assert scrubber.scrub({"type": "Welcome"}) == {"type": LEFT_OUT, "bytes": 19}


def test_what_is_nested_too_deeply_is_left_out_or_text() -> None:
    for depth in (300, 5000, 200_000):
        assert scrubbed(payload_of("[" * depth + "]" * depth)) is not None
    assert KEY not in json.dumps(scrubbed(payload_of("[" * 5000 + f'"{KEY}"' + "]" * 5000)))


def test_a_secret_that_only_the_written_line_would_have_is_left_out() -> None:
    assert Scrubber(['": "found']).scrub({"a": "found"})["type"] == LEFT_OUT


@pytest.mark.parametrize("character", ["\\", '"', "a", "\\u0061", "//", "{", "a=b;", "a:", "%41", '{"a":"'])
def test_no_text_takes_long(character: str) -> None:
    """Nothing is quadratic: a tenth of the longest text that is kept, many times over."""
    text = character * (100_000 // len(character))
    for payload in ({"type": "(not JSON)", "text": text}, {"description": text}):
        scrubbed(payload)
