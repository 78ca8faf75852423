"""Which Settings are taken, and how the others are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.emulator.settings import INPUT_ENCODINGS, NOT_EMULATED, ProtocolError, setup
from pytest_dgbudget.rules.audio import AudioFormat

PROVIDER = {"provider": {"type": "x"}}


def agent(**fields: Any) -> dict[str, Any]:
    return {"type": "Settings", "agent": fields}


def audio(**directions: Any) -> dict[str, Any]:
    return {"type": "Settings", "agent": {}, "audio": directions}


def test_defaults() -> None:
    wanted = setup(agent())
    assert wanted.hears == wanted.speaks == AudioFormat("linear16", 24000)
    assert wanted.history
    assert wanted.greeting is None
    assert not wanted.wav
    assert not wanted.notices


def test_what_a_user_sets() -> None:
    wanted = setup(
        {
            "tags": ["a"],
            "flags": {"history": False},
            "audio": {
                "input": {"encoding": "mulaw", "sample_rate": 8000},
                "output": {"encoding": "alaw", "sample_rate": 8000, "container": "wav", "bitrate": 64000},
            },
            "agent": {
                "greeting": "Hi",
                "listen": {"provider": {"type": "deepgram", "version": "v2"}},
                "think": [{**PROVIDER, "functions": [{"name": "f"}]}, PROVIDER],
                "speak": PROVIDER,
                "context": {"messages": []},
            },
            "unknown": 1,
        }
    )
    assert (wanted.greeting, wanted.history, wanted.wav, wanted.flux) == ("Hi", False, True, True)
    assert wanted.hears == AudioFormat("mulaw", 8000)
    assert wanted.speaks == AudioFormat("alaw", 8000)
    assert [function.name for function in wanted.think.functions] == ["f"]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"agent": None},
        {"agent": []},
        agent(greeting=1),
        agent(listen={}),
        agent(listen={"provider": "deepgram"}),
        agent(think={}),
        agent(think=[]),
        agent(think=[PROVIDER, {}]),
        agent(think={**PROVIDER, "prompt": 1}),
        agent(think={**PROVIDER, "functions": {}}),
        agent(think={**PROVIDER, "functions": [{}]}),
        agent(think={**PROVIDER, "functions": [{"name": "f", "parameters": []}]}),
        agent(speak="aura"),
        {**agent(), "tags": "a"},
        {**agent(), "tags": ["a", 1]},
        {**agent(), "flags": True},
        {**agent(), "flags": {"history": "yes"}},
        {**agent(), "experimental": 1},
        {**agent(), "mip_opt_out": "no"},
        {**agent(), "audio": []},
        audio(input=[]),
        audio(input={"sample_rate": 16000}),
        audio(input={"encoding": "linear16"}),
        audio(input={"encoding": "pcm", "sample_rate": 16000}),
        audio(input={"encoding": ["linear16"], "sample_rate": 16000}),
        *(audio(input={"encoding": "linear16", "sample_rate": rate}) for rate in (0, -1, 1.5, True, "16000", 10**9)),
        *(audio(output={"encoding": "linear16", "sample_rate": rate}) for rate in (0, -1, 1.5, True, "16000", 10**9)),
        *(audio(output={"encoding": encoding}) for encoding in ("mp3", "opus", "flac", "aac", "wav", 1)),
        audio(output={"container": "ogg"}),
        audio(output={"container": "avi"}),
        audio(output={"container": 1}),
    ],
)
def test_bad_value_is_invalid_settings(message: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        setup(message)
    assert caught.value.code == "INVALID_SETTINGS"
    assert caught.value.description


def test_output_that_is_not_emulated_names_what_is() -> None:
    with pytest.raises(ProtocolError, match="linear16, mulaw, alaw"):
        setup(audio(output={"encoding": "mp3"}))


@pytest.mark.parametrize(
    ("agent_id", "code"),
    [("nonsense", "INVALID_AGENT_ID"), ("7b1c2f5e-0000-4000-8000-000000000001", "AGENT_ID_NOT_SUPPORTED")],
)
def test_reusable_agents_are_refused(agent_id: str, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        setup({"agent": agent_id})
    assert caught.value.code == code


@pytest.mark.parametrize("encoding", INPUT_ENCODINGS)
def test_input_that_it_cannot_hear_is_warned_of(encoding: str) -> None:
    notices = setup(audio(input={"encoding": encoding, "sample_rate": 16000})).notices
    assert [notice.code for notice in notices] == [NOT_EMULATED] * (encoding not in {"linear16", "mulaw", "alaw"})


def test_functions_with_an_endpoint_are_warned_of() -> None:
    functions = [{"name": "here"}, {"name": "there", "endpoint": {"url": "https://x"}}]
    wanted = setup(agent(think={**PROVIDER, "functions": functions}))
    assert [function.client_side for function in wanted.think.functions] == [True, False]
    (notice,) = wanted.notices
    assert notice.code == NOT_EMULATED
    assert "there" in notice.description


@pytest.mark.parametrize(("endpoint", "warned"), [(None, True), ({"url": "https://x"}, False)])
def test_long_prompt_is_warned_of_with_managed_models(endpoint: Any, warned: bool) -> None:
    think = {**PROVIDER, "prompt": "x" * 25_001, "endpoint": endpoint}
    assert [notice.code for notice in setup(agent(think=think)).notices] == ["PROMPT_TOO_LONG"] * warned
