"""Which Settings are taken, and how the others are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.emulator.agent.settings import INPUT_ENCODINGS, setup
from pytest_dgbudget.emulator.codes import NOT_EMULATED, ProtocolError
from pytest_dgbudget.rules.audio import AudioFormat

PROVIDER = {"provider": {"type": "open_ai"}}
VOICE = {"provider": {"type": "deepgram"}}
FLUX = {"type": "deepgram", "version": "v2", "model": "flux-general-en"}


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
                "listen": {"provider": FLUX},
                "think": [{**PROVIDER, "functions": [{"name": "f"}]}, PROVIDER],
                "speak": [VOICE, {**PROVIDER, "endpoint": {"url": "https://voices.example"}}],
                "context": {"messages": [{"role": "user", "content": "hi"}, {"function_calls": []}]},
            },
            "unknown": 1,
        }
    )
    assert (wanted.greeting, wanted.history, wanted.wav, wanted.listen.flux) == ("Hi", False, True, True)
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
        agent(listen={"provider": {}}),
        agent(listen={"provider": {"type": "whisper"}}),
        agent(listen={"provider": {**FLUX, "version": "v3"}}),
        agent(listen={"provider": {**FLUX, "model": None}}),
        agent(listen={"provider": {**FLUX, "keyterms": "x"}}),
        agent(listen={"provider": {**FLUX, "language_hints": [1]}}),
        *(agent(listen={"provider": {**FLUX, "eot_threshold": value}}) for value in (0.4, 0.91, "0.7", True)),
        *(agent(listen={"provider": {**FLUX, "eager_eot_threshold": value}}) for value in (0.2, 1)),
        *(agent(listen={"provider": {**FLUX, "eot_timeout_ms": value}}) for value in (0, -1, "5000")),
        agent(think={}),
        agent(think=[]),
        agent(think={"provider": {"model": "gpt-4o-mini"}}),
        agent(think={"provider": {"type": "openai"}}),
        agent(think={**PROVIDER, "endpoint": {}}),
        *(
            agent(think={**PROVIDER, "functions": [{"name": "f", "endpoint": endpoint}]})
            for endpoint in ({}, {"url": 1}, {"url": "x", "method": "P T"}, {"url": "x", "headers": {"a": 1}}, "x")
        ),
        agent(think=[PROVIDER, {}]),
        agent(think={**PROVIDER, "prompt": 1}),
        agent(think={**PROVIDER, "functions": {}}),
        agent(think={**PROVIDER, "functions": [{}]}),
        agent(think={**PROVIDER, "functions": [{"name": "f", "parameters": []}]}),
        agent(speak="aura"),
        agent(speak={"provider": {"type": "espeak"}}),
        agent(speak={"provider": {"type": "eleven_labs"}}),
        agent(context=[]),
        agent(context={"messages": {}}),
        *(agent(context={"messages": [each]}) for each in ("hi", {}, {"role": "system", "content": "x"})),
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
def test_reusable_agents_are_refused_where_there_are_none(agent_id: str, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        setup({"agent": agent_id})
    assert caught.value.code == code


AGENT_ID = "7b1c2f5e-0000-4000-8000-000000000001"


def test_reusable_agent_is_found_by_its_id() -> None:
    wanted = setup({"agent": AGENT_ID.upper()}, {AGENT_ID: {"greeting": "Hi"}})
    assert wanted.greeting == "Hi"


def test_reusable_agent_that_there_is_not_is_invalid() -> None:
    with pytest.raises(ProtocolError, match="INVALID_AGENT_ID"):
        setup({"agent": AGENT_ID.replace("7", "8")}, {AGENT_ID: {}})


def test_think_live_is_warned_of() -> None:
    assert [notice.code for notice in setup(agent(think_live={"provider": {}})).notices] == [NOT_EMULATED]


@pytest.mark.parametrize(
    ("changes", "silence_ms"),
    [
        ({}, 500),
        ({"eot_threshold": 0.5}, 300),
        ({"eot_threshold": 0.9}, 700),
        ({"eot_threshold": 0.9, "eot_timeout_ms": 400}, 400),
        ({"eot_timeout_ms": 5000, "eager_eot_threshold": 0.3}, 500),
    ],
)
def test_silence_that_ends_a_turn_follows_the_eot_parameters(changes: dict[str, Any], silence_ms: int) -> None:
    assert setup(agent(listen={"provider": {**FLUX, **changes}})).listen.silence_ms == silence_ms


def test_eot_parameters_are_fluxs_alone() -> None:
    nova = {"type": "deepgram", "model": "nova-3", "eot_threshold": 0.9}
    assert setup(agent(listen={"provider": nova})).listen.silence_ms == 500


@pytest.mark.parametrize("encoding", INPUT_ENCODINGS)
def test_input_that_it_cannot_hear_is_warned_of(encoding: str) -> None:
    notices = setup(audio(input={"encoding": encoding, "sample_rate": 16000})).notices
    assert [notice.code for notice in notices] == [NOT_EMULATED] * (encoding not in {"linear16", "mulaw", "alaw"})


def test_functions_with_an_endpoint_are_warned_of() -> None:
    functions = [{"name": "here"}, {"name": "there", "endpoint": {"url": "https://x"}}]
    wanted = setup(agent(think={**PROVIDER, "functions": functions}))
    assert [function.callable for function in wanted.think.functions] == [True, False]
    (notice,) = wanted.notices
    assert notice.code == NOT_EMULATED
    assert "there" in notice.description


@pytest.mark.parametrize(("endpoint", "warned"), [(None, True), ({"url": "https://x"}, False)])
def test_long_prompt_is_warned_of_with_managed_models(endpoint: Any, warned: bool) -> None:
    think = {**PROVIDER, "prompt": "x" * 25_001, "endpoint": endpoint}
    assert [notice.code for notice in setup(agent(think=think)).notices] == ["PROMPT_TOO_LONG"] * warned
