"""Which Settings are taken, and how the others are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_dgbudget.emulator.agent import providers
from pytest_dgbudget.emulator.agent.settings import INPUT_ENCODINGS, SettingsReader, Setup
from pytest_dgbudget.emulator.codes import NOT_EMULATED, ProtocolError
from pytest_dgbudget.emulator.project.agents import AgentLookup, Agents, AgentTable
from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.vendor import AS_SEEN, Vendor
from pytest_dgbudget.rules.audio import AudioFormat

PROVIDER = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
VOICE = {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}
OTHER_VOICE = {"provider": {"type": "open_ai", "model": "tts-1", "voice": "alloy"}}
FLUX = {"type": "deepgram", "version": "v2", "model": "flux-general-en"}


def setup(message: dict[str, Any], agents: AgentTable | None = None, vendor: Vendor = AS_SEEN) -> Setup:
    return SettingsReader(vendor, AgentLookup(Agents(Clock(), {}, {}), agents or {}, {})).setup(message)


def refusal(message: dict[str, Any], vendor: Vendor = AS_SEEN) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        setup(message, vendor=vendor)
    return caught.value


def listens(message: dict[str, Any]) -> providers.Listen:
    return providers.listen(setup(message).listen_provider, "listen.provider")


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
                "speak": [VOICE, {**OTHER_VOICE, "endpoint": {"url": "https://voices.example"}}],
                "context": {"messages": [{"role": "user", "content": "hi"}, {"function_calls": []}]},
            },
            "unknown": 1,
        }
    )
    assert (wanted.greeting, wanted.history, wanted.wav, wanted.listen_provider) == ("Hi", False, True, FLUX)
    assert wanted.hears == AudioFormat("mulaw", 8000)
    assert wanted.speaks == AudioFormat("alaw", 8000)
    assert [function.name for function in wanted.think.functions] == ["f"]


UNPARSABLE = [
    ({}, "agent"),
    ({"agent": None}, "agent"),
    ({"agent": []}, "agent"),
    (agent(greeting=1), "agent.greeting"),
    (agent(listen={}), "agent.listen.provider"),
    (agent(listen={"provider": "deepgram"}), "agent.listen.provider"),
    (agent(listen={"provider": {}}), "agent.listen.provider"),
    (agent(listen={"provider": {"type": "whisper"}}), "agent.listen.provider"),
    (agent(listen={"provider": {**FLUX, "version": "v3"}}), "agent.listen.provider"),
    (agent(listen={"provider": {**FLUX, "model": None}}), "agent.listen.provider"),
    (agent(listen={"provider": {**FLUX, "keyterms": "x"}}), "agent.listen.provider"),
    (agent(listen={"provider": {**FLUX, "language_hints": [1]}}), "agent.listen.provider"),
    *((agent(listen={"provider": {**FLUX, "eot_threshold": each}}), "agent.listen.provider") for each in ("0.7", True)),
    (agent(listen={"provider": {**FLUX, "eot_timeout_ms": "5000"}}), "agent.listen.provider"),
    (agent(think={}), "agent.think"),
    (agent(think=[]), "agent.think"),
    (agent(think={"provider": {"model": "gpt-4o-mini"}}), "agent.think"),
    (agent(think={"provider": {"type": "open_ai"}}), "agent.think"),
    (agent(think={"provider": {"type": "openai", "model": "gpt-4o-mini"}}), "agent.think"),
    (agent(think={**PROVIDER, "endpoint": {}}), "agent.think"),
    *(
        (agent(think={**PROVIDER, "functions": [{"name": "f", "endpoint": endpoint}]}), "agent.think")
        for endpoint in ({}, {"url": 1}, {"url": "x", "headers": {"a": 1}}, "x")
    ),
    (agent(think=[PROVIDER, {}]), "agent.think"),
    (agent(think={**PROVIDER, "prompt": 1}), "agent.think"),
    (agent(think={**PROVIDER, "functions": {}}), "agent.think"),
    (agent(think={**PROVIDER, "functions": [{}]}), "agent.think"),
    (agent(think={**PROVIDER, "functions": [{"name": "f", "parameters": []}]}), "agent.think"),
    (agent(think=[PROVIDER, {**PROVIDER, "prompt": 1}]), "agent.think"),
    (agent(think={"provider": {**PROVIDER["provider"], "temperature": "hot"}}), "agent.think"),
    *((agent(speak={"provider": {**VOICE["provider"], "speed": each}}), "agent.speak") for each in ("fast", True)),
    (agent(language=5), "agent.language"),
    (agent(speak="aura"), "agent.speak"),
    (agent(speak={"provider": {"type": "deepgram"}}), "agent.speak"),
    (agent(speak={"provider": {"type": "espeak"}}), "agent.speak"),
    (agent(context=[]), "agent.context"),
    (agent(context={"messages": {}}), "agent.context"),
    *(
        (agent(context={"messages": [each]}), "agent.context")
        for each in ("hi", {}, {"role": "system", "content": "x"})
    ),
    ({**agent(), "tags": "a"}, "tags"),
    ({**agent(), "tags": ["a", 1]}, "tags"),
    ({**agent(), "flags": True}, "flags"),
    ({**agent(), "flags": {"history": "yes"}}, "flags.history"),
    ({**agent(), "experimental": 1}, "experimental"),
    ({**agent(), "mip_opt_out": "no"}, "mip_opt_out"),
    ({**agent(), "audio": []}, "audio"),
    (audio(input=[]), "audio.input"),
    (audio(input={"sample_rate": 16000}), "audio.input.encoding"),
    (audio(input={"encoding": "linear16"}), "audio.input.sample_rate"),
    (audio(input={"encoding": "pcm", "sample_rate": 16000}), "audio.input.encoding"),
    (audio(input={"encoding": ["linear16"], "sample_rate": 16000}), "audio.input.encoding"),
    *((audio(input={"encoding": "linear16", "sample_rate": each}), "audio.input.sample_rate") for each in (1.5, True)),
    (audio(output={"encoding": "linear16", "sample_rate": "16000"}), "audio.output.sample_rate"),
    *((audio(output={"bitrate": each}), "audio.output.bitrate") for each in ("64k", 0.5, True)),
    *((audio(output={"encoding": each}), "audio.output.encoding") for each in ("wav", 1)),
    *((audio(output={"container": each}), "audio.output.container") for each in ("avi", 1)),
]


@pytest.mark.parametrize(("message", "named"), UNPARSABLE)
def test_what_has_the_wrong_form_is_unparsable_and_its_field_is_named(message: dict[str, Any], named: str) -> None:
    refused = refusal(message)
    assert refused.code == "UNPARSABLE_CLIENT_MESSAGE"
    assert refused.description == f"Error parsing client message. Check the {named} field against the API spec."
    assert refused.detail


FLUX_WITHOUT_VERSION = {"type": "deepgram", "model": "flux-general-en"}
FLUX_VOICE = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-tts-en"}}
IMPOSSIBLE = [
    *((agent(listen={"provider": {**FLUX, "eot_threshold": each}}), "agent.listen") for each in (0.4, 1.01)),
    *((agent(listen={"provider": {**FLUX, "eager_eot_threshold": each}}), "agent.listen") for each in (0.2, 1)),
    *((agent(listen={"provider": {**FLUX, "eot_timeout_ms": each}}), "agent.listen") for each in (0, -1)),
    (agent(listen={"provider": FLUX_WITHOUT_VERSION}), "agent.listen"),
    (agent(listen={"provider": {**FLUX_WITHOUT_VERSION, "eot_threshold": 0.8}}), "agent.listen"),
    (agent(think={**PROVIDER, "functions": [{"name": "f", "endpoint": {"url": "x", "method": "P T"}}]}), "agent.think"),
    (agent(speak=OTHER_VOICE), "agent.speak"),
    *((audio(input={"encoding": "linear16", "sample_rate": each}), "audio.input") for each in (0, -1, 10**9)),
    *((audio(output={"encoding": "linear16", "sample_rate": each}), "audio.output") for each in (0, -1, 10**9)),
    *((audio(output={"encoding": each}), "audio.output") for each in ("mp3", "opus", "flac", "aac")),
    (audio(output={"container": "ogg"}), "audio.output"),
    ({**audio(output={"encoding": "linear16", "container": "wav"}), **agent(speak=FLUX_VOICE)}, "audio.output"),
    ({**audio(output={"encoding": "mp3"}), **agent(speak=FLUX_VOICE)}, "audio.output"),
]


@pytest.mark.parametrize(("message", "named"), IMPOSSIBLE)
def test_what_can_be_read_and_not_be_used_is_invalid_settings(message: dict[str, Any], named: str) -> None:
    refused = refusal(message)
    assert refused.code == "INVALID_SETTINGS"
    assert refused.description.startswith(f"Invalid {named} settings - ")
    assert refused.detail is not None
    assert refused.detail.startswith(named)


@pytest.mark.parametrize("speed", [0.49, 1.51])
def test_a_speed_out_of_range_fails_to_speak(speed: float) -> None:
    assert refusal(agent(speak={"provider": {**VOICE["provider"], "speed": speed}})).code == "FAILED_TO_SPEAK"


@pytest.mark.parametrize("speed", [0.5, 1, 1.5])
def test_a_speed_within_its_range_is_taken(speed: float) -> None:
    setup(agent(speak={"provider": {**VOICE["provider"], "speed": speed}}))


def updated(before: dict[str, Any], **changes: Any) -> Any:
    """The listen provider after an UpdateListen with these changes."""
    reader = SettingsReader(AS_SEEN, AgentLookup(Agents(Clock(), {}, {}), {}, {}))
    return reader.listen_block({"provider": {"type": "deepgram", **changes}}, "listen", before)


def test_an_update_of_listen_is_read_in_the_version_that_stays() -> None:
    assert updated(FLUX, eot_threshold=0.8) == {**FLUX, "eot_threshold": 0.8}
    nova = {"type": "deepgram", "version": "v1", "model": "nova-3"}
    assert updated({**FLUX, "eot_threshold": 0.8}, **nova)["model"] == "nova-3"
    for before, unknown in (
        (FLUX, {"smart_format": True}),
        (nova, {"eot_threshold": 0.8}),
        ({}, {"eot_threshold": 0.8}),
    ):
        with pytest.raises(ProtocolError, match="UNPARSABLE_CLIENT_MESSAGE") as caught:
            updated(before, **unknown)
        assert (caught.value.detail or "").startswith(f"listen.provider.{next(iter(unknown))}: ")


def test_a_field_of_a_wrong_type_is_refused_where_unknown_ones_are_not() -> None:
    tolerant = replace(AS_SEEN, unknown_fields="accept")
    assert refusal(agent(unknown=1, language=5), tolerant).code == "UNPARSABLE_CLIENT_MESSAGE"


@pytest.mark.parametrize(
    "message",
    [
        agent(**{"x" * 1_000_000: 1}),
        agent(listen={"provider": {"type": "deepgram", "model": "flux-" + "x" * 1_000_000}}),
        {"agent": "-" * 1_000_000 + "7b1c2f5e000040008000000000000001"},
    ],
)
def test_an_error_is_short_however_long_what_it_names(message: dict[str, Any]) -> None:
    refused = refusal(message, replace(AS_SEEN, unknown_agent="INVALID_AGENT_ID"))
    assert len(refused.description) + len(refused.detail or "") < 600


def test_output_that_is_not_emulated_names_what_is() -> None:
    assert "linear16, mulaw, alaw" in refusal(audio(output={"encoding": "mp3"})).description


def test_models_are_those_of_the_list_where_a_switch_says_so() -> None:
    listed = replace(AS_SEEN, think_models="listed")
    own = agent(think={"provider": {"type": "open_ai", "model": "my-model"}})
    setup(own)
    assert refusal(own, listed).description == "Invalid agent.think settings - model not available"
    setup(agent(think=PROVIDER), vendor=listed)
    setup(agent(think={**own["agent"]["think"], "endpoint": {"url": "https://llm.example"}}), vendor=listed)


AGENT_ID = "7b1c2f5e-0000-4000-8000-000000000001"


def test_an_agent_id_that_is_no_uuid_is_invalid() -> None:
    assert refusal({"agent": "nonsense"}).code == "INVALID_AGENT_ID"


@pytest.mark.parametrize("unknown_agent", ["INTERNAL_SERVER_ERROR", "INVALID_AGENT_ID"])
def test_an_agent_that_there_is_not_has_the_code_of_the_switch(unknown_agent: Any) -> None:
    refused = refusal({"agent": AGENT_ID}, replace(AS_SEEN, unknown_agent=unknown_agent))
    assert refused.code == unknown_agent
    assert "the emulator has 0 reusable agents" in (refused.detail or "")


def test_reusable_agent_is_found_by_its_id() -> None:
    wanted = setup({"agent": AGENT_ID.upper()}, {AGENT_ID: {"greeting": "Hi"}})
    assert wanted.greeting == "Hi"


def test_think_live_is_warned_of() -> None:
    assert [notice.code for notice in setup(agent(think_live={"provider": {}})).notices] == [NOT_EMULATED]


@pytest.mark.parametrize(
    ("changes", "silence_ms"),
    [
        ({}, 500),
        ({"eot_threshold": 0.5}, 300),
        ({"eot_threshold": 0.9}, 700),
        ({"eot_threshold": 0.9, "eot_timeout_ms": 400}, 400),
        ({"eot_threshold": 1}, 5000),
        ({"eot_threshold": 1.0, "eot_timeout_ms": 800}, 800),
        ({"eot_timeout_ms": 5000, "eager_eot_threshold": 0.3}, 500),
    ],
)
def test_silence_that_ends_a_turn_follows_the_eot_parameters(changes: dict[str, Any], silence_ms: int) -> None:
    assert listens(agent(listen={"provider": {**FLUX, **changes}})).silence_ms == silence_ms


def test_eot_parameters_are_fluxs_alone() -> None:
    nova = {"type": "deepgram", "model": "nova-3", "eot_threshold": 0.9}
    assert refusal(agent(listen={"provider": nova})).code == "UNPARSABLE_CLIENT_MESSAGE"
    tolerant = replace(AS_SEEN, unknown_fields="accept")
    assert (
        providers.listen(setup(agent(listen={"provider": nova}), vendor=tolerant).listen_provider, "").silence_ms == 500
    )


@pytest.mark.parametrize("encoding", INPUT_ENCODINGS)
def test_input_that_it_cannot_hear_is_warned_of(encoding: str) -> None:
    notices = setup(audio(input={"encoding": encoding, "sample_rate": 16000})).notices
    assert [notice.code for notice in notices] == [NOT_EMULATED] * (
        encoding not in {"linear16", "linear32", "mulaw", "alaw"}
    )


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
