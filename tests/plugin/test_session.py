"""A session as tests use it: each rule is a test of one project, run once against a vendor that plays scenes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.project import Project
from tests.support.scripted_vendor import RulesProject, ScriptedVendor, rules_in
from tests.support.vendor import KEY

RULES = """
import asyncio
import json
import os
import re
import time
import wave
from pathlib import Path

import anyio
import pytest

from pytest_dgbudget import (
    AgentError, DgBudgetError, ExpectTimeout, GatewayError, HandshakeRefused, Session, SessionClosed, SettingsError
)

asynchronous = pytest.mark.asyncio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


# Talking ------------------------------------------------------------------------------------------------------------

def test_say_returns_the_whole_reply(on):
    with on("converse") as session:
        turn = session.say("one")
    assert (turn.text, turn.reply, len(turn.audio)) == ("one", "about one", 4800)
    assert [message.type for message in turn.messages] == ["ConversationText", "ConversationText", "AgentAudioDone"]


@asynchronous
async def test_say_works_in_async_tests(on):
    async with on("converse") as session:
        assert (await session.say("one")).reply == "about one"
        assert (await session.say("two")).reply == "about two"


@pytest.mark.anyio
async def test_say_works_under_anyio(on, anyio_backend):
    async with on("converse") as session:
        assert (await session.say("one")).reply == "about one"


def test_say_times_out_with_what_came_instead(on):
    with on("calls") as session:
        with pytest.raises(ExpectTimeout, match="Request; no handler answers lookup: register one") as caught:
            session.say("lookup {}", timeout="200ms")
    assert isinstance(caught.value, TimeoutError)


def test_an_error_of_the_agent_ends_say(on):
    with on("error") as session:
        with pytest.raises(AgentError, match="it broke") as caught:
            session.say("one")
    assert (caught.value.code, caught.value.description) == ("SOME_CODE", "it broke")


def test_a_refused_injection_ends_say(on):
    with on("refuses") as session:
        with pytest.raises(AgentError, match="I am speaking") as caught:
            session.say("one")
    assert caught.value.code == "InjectionRefused"


def test_an_error_for_settings_ends_connect(on):
    with pytest.raises(AgentError, match="no such voice"):
        with on("error for settings"):
            pass


def test_events_transcript_and_audio_show_everything(on):
    with on("converse") as session:
        session.say("one")
        session.say("two")
        assert [event.type for event in session.events()] == (
            ["Welcome", "SettingsApplied"] + 2 * ["ConversationText", "ConversationText", "AgentAudioDone"]
        )
        assert [(said.role, said.content) for said in session.transcript] == [
            ("user", "one"), ("assistant", "about one"), ("user", "two"), ("assistant", "about two")
        ]
        assert session.audio == bytes(9600)


def test_the_request_id_is_the_welcomes(on):
    with on() as session:
        assert session.request_id == session.events()[0].request_id


def test_an_unknown_request_id_is_none(on):
    with on("no request id") as session:
        assert session.request_id is None


def test_send_takes_objects_texts_and_audio(on):
    with on() as session:
        session.send({"type": "KeepAlive"})
        session.send('{"type": "UpdatePrompt", "prompt": "x"}')
        session.send(bytes(10))
        session.say("one")


def test_close_twice_is_fine(on):
    with on() as session:
        session.close()
        session.close()


@asynchronous
async def test_close_twice_is_fine_in_async_tests(on):
    async with on() as session:
        await session.close()
        await session.close()


def test_a_closed_session_says_so(on):
    with on() as session:
        session.close()
        with pytest.raises(SessionClosed) as caught:
            session.say("one")
    assert (caught.value.code, caught.value.closed_by) == (1000, "client")


def test_usage_and_remaining_count(on, voice_agent):
    assert (voice_agent.usage.seconds, voice_agent.usage.sessions, voice_agent.remaining) == (0, 0, 60)
    with on() as session:
        time.sleep(0.2)
        assert 0.2 <= session.usage.seconds < 10
        assert 0.2 <= voice_agent.usage.seconds < 10
        assert 50 < voice_agent.remaining <= 59.8
    used = session.usage.seconds
    assert voice_agent.usage.seconds == pytest.approx(used, abs=0.01)
    assert voice_agent.usage.sessions == 1
    assert voice_agent.remaining == pytest.approx(60 - used, abs=0.01)
    with on():
        assert voice_agent.usage.sessions == 2


@asynchronous
async def test_awaiting_connect_gives_a_session_that_teardown_closes(on):
    session = await on()
    assert (await session.say("one")).reply == "about one"


@asynchronous
async def test_with_in_a_running_loop_raises_at_once(on):
    with pytest.raises(DgBudgetError, match="async with"):
        with on():
            pass


@pytest.mark.anyio
async def test_with_in_any_running_loop_raises_at_once(on, anyio_backend):
    with pytest.raises(DgBudgetError, match="async with"):
        with on():
            pass


# Expecting ----------------------------------------------------------------------------------------------------------

def test_expect_looks_at_what_came_since_the_last_one(on):
    with on() as session:
        assert session.expect("SettingsApplied").type == "SettingsApplied"
        session.send({"type": "InjectUserMessage", "content": "one"})
        assert session.expect("Late").data["n"] == 4
        for passed in ("Welcome", "Step", "Other"):
            with pytest.raises(ExpectTimeout):
                session.expect(passed, timeout=0.05)


def test_expect_does_not_skip_what_it_returned_before(on):
    with on() as session:
        session.send({"type": "InjectUserMessage", "content": "one"})
        assert [session.expect("Step").data["n"], session.expect("Step").data["n"]] == [1, 2]


def test_expect_begins_behind_the_turn_that_say_returned(on):
    with on() as session:
        session.say("one")
        with pytest.raises(ExpectTimeout):
            session.expect("Step", timeout=0.05)
        assert session.expect("Late").data["n"] == 4


def test_expect_compares_fields_and_patterns(on):
    with on() as session:
        session.send({"type": "InjectUserMessage", "content": "one"})
        assert session.expect("Step", n=2).data["n"] == 2
        assert session.expect("ConversationText", role="assistant", content=re.compile("^about")).content == "about one"


def test_a_failed_expect_uses_nothing_up(on):
    with on() as session:
        session.send({"type": "InjectUserMessage", "content": "one"})
        with pytest.raises(ExpectTimeout):
            session.expect("Never", timeout=0.2)
        assert session.expect("Step").data["n"] == 1


def test_expect_timeout_says_what_was_awaited_and_what_came(on):
    with on() as session:
        session.say("one")
        session.expect("Late")
        session.send({"type": "InjectUserMessage", "content": "two"})
        with pytest.raises(ExpectTimeout) as caught:
            session.expect("ConversationText", role="user", timeout="300ms")
    text = str(caught.value)
    assert "ConversationText, role='user'" in text and "0.3 s" in text
    assert "Step, Step, Other" in text and "assistant: 'about two'" in text


def test_expect_timeout_says_when_nothing_came(on):
    with on("no answer") as session:
        session.expect("SettingsApplied")
        with pytest.raises(ExpectTimeout, match="nothing"):
            session.expect("Late", timeout="50ms")


def test_expect_with_timeout_zero_still_looks_at_what_has_come(on):
    with on() as session:
        assert session.expect("SettingsApplied", timeout=0).type == "SettingsApplied"


def test_a_message_of_an_empty_type_is_only_another_message(on):
    with on("malformed") as session:
        with pytest.raises(ExpectTimeout):
            session.send({"type": "InjectUserMessage", "content": "one"})
            session.expect("Never", timeout=0.3)


# Functions ----------------------------------------------------------------------------------------------------------

def test_a_handler_answers_in_a_sync_test(on):
    with on("calls") as session:
        @session.on_function("lookup")
        def lookup(order):
            return {"order": order, "state": "sent"}
        assert session.say('lookup {"order": "A-17"}').reply == 'the answer is {"order": "A-17", "state": "sent"}'


@asynchronous
async def test_a_handler_runs_in_the_tests_own_loop(on):
    async with on("calls") as session:
        loop = asyncio.get_running_loop()
        @session.on_function("lookup")
        async def lookup(order):
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0)
            return order
        assert (await session.say('lookup {"order": "A-17"}')).reply == "the answer is A-17"


@pytest.mark.anyio
async def test_a_handler_answers_under_anyio(on, anyio_backend):
    async with on("calls") as session:
        @session.on_function("lookup")
        async def lookup(order):
            await anyio.sleep(0)
            return order
        assert (await session.say('lookup {"order": "A-17"}')).reply == "the answer is A-17"


def test_what_a_handler_raises_is_raised_by_say(on):
    with on("calls") as session:
        @session.on_function("lookup")
        def lookup():
            raise LookupError("no such order")
        with pytest.raises(LookupError, match="no such order"):
            session.say("lookup {}", timeout="3s")


@asynchronous
async def test_what_a_handler_raises_is_raised_by_say_in_async_tests(on):
    async with on("calls") as session:
        @session.on_function("lookup")
        async def lookup():
            assert False, "handler asserts"
        with pytest.raises(AssertionError, match="handler asserts"):
            await session.say("lookup {}", timeout="3s")


@pytest.mark.anyio
async def test_what_a_handler_raises_is_raised_by_say_under_anyio(on, anyio_backend):
    async with on("calls") as session:
        @session.on_function("lookup")
        async def lookup():
            raise LookupError("no such order")
        with pytest.raises(LookupError, match="no such order"):
            await session.say("lookup {}", timeout="3s")


def test_a_handler_that_calls_pytest_fail_fails_say_at_once(on):
    with on("calls") as session:
        @session.on_function("lookup")
        def lookup():
            pytest.fail("from the handler")
        with pytest.raises(pytest.fail.Exception, match="from the handler"):
            session.say("lookup {}", timeout="3s")


@pytest.mark.anyio
async def test_a_handler_that_calls_pytest_fail_fails_say_at_once_under_anyio(on, anyio_backend):
    async with on("calls") as session:
        @session.on_function("lookup")
        def lookup():
            pytest.fail("from the handler")
        with pytest.raises(pytest.fail.Exception, match="from the handler"):
            await session.say("lookup {}", timeout="3s")


def test_what_a_handler_can_not_take_or_return_is_raised_by_say(on):
    with on("calls") as session:
        session.on_function("lookup")(lambda: None)
        with pytest.raises(TypeError, match="unexpected keyword"):
            session.say('lookup {"order": 1}', timeout="3s")
    with on("calls") as session:
        session.on_function("lookup")(lambda: object())
        with pytest.raises(TypeError, match="not JSON serializable"):
            session.say("lookup {}", timeout="3s")


# Cancelling ---------------------------------------------------------------------------------------------------------

@asynchronous
async def test_a_cancelled_connect_leaves_nothing_open(on, voice_agent):
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        await asyncio.wait_for(on("no settings applied"), 0.5)
    for _ in range(200):
        used = voice_agent.usage.seconds
        await asyncio.sleep(0.02)
        if voice_agent.usage.seconds == used:
            return
    pytest.fail("the session is still open")


@pytest.mark.anyio
async def test_a_connect_cancelled_under_anyio_leaves_nothing_open(on, voice_agent, anyio_backend):
    with anyio.move_on_after(0.5):
        await on("no settings applied")
    for _ in range(200):
        used = voice_agent.usage.seconds
        await anyio.sleep(0.02)
        if voice_agent.usage.seconds == used:
            return
    pytest.fail("the session is still open")


@pytest.mark.anyio
async def test_a_cancelled_say_leaves_the_session_usable(on, anyio_backend):
    async with on("calls") as session:
        with anyio.move_on_after(0.1) as scope:
            await session.say("lookup {}", timeout="3s")
        assert scope.cancelled_caught
        await session.send({"type": "FunctionCallResponse", "id": "call-1", "name": "lookup", "content": "late"})
        assert (await session.expect("ConversationText", role="assistant")).content == "the answer is late"


# Ends ---------------------------------------------------------------------------------------------------------------

def test_the_vendors_own_close_is_the_servers(on):
    with on("closes") as session:
        with pytest.raises(SessionClosed, match="enough of this") as caught:
            session.say("one")
    assert (caught.value.code, caught.value.reason, caught.value.closed_by) == (4321, "enough of this", "server")
    assert isinstance(caught.value, ConnectionError)


def test_a_dropped_connection_is_the_networks(on):
    with on("drops") as session:
        with pytest.raises(SessionClosed) as caught:
            session.say("one")
    assert (caught.value.code, caught.value.closed_by) == (4503, "network")


@pytest.mark.parametrize(("status", "code", "advice"), [
    (401, "INVALID_AUTH", "DEEPGRAM_API_KEY"),
    (402, "ASR_PAYMENT_REQUIRED", "out of credit"),
    (429, "TOO_MANY_REQUESTS", "--dg-max-sessions"),
    (500, "INTERNAL_SERVER_ERROR", "message"),
])
def test_the_vendors_refusal_comes_with_status_code_and_advice(on, status, code, advice):
    with pytest.raises(HandshakeRefused, match=advice) as caught:
        with on(f"refuse-{status}"):
            pass
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.request_id == f"rid-{status}"
    assert caught.value.vendor_message and caught.value.vendor_message in str(caught.value)


def test_garbage_instead_of_http_is_a_refused_handshake(on):
    with pytest.raises(HandshakeRefused, match="--dg-agent-url") as caught:
        with on("garbage"):
            pass
    assert caught.value.status == 502


def test_malformed_messages_pass(on):
    with on("malformed") as session:
        assert session.say("one").reply == "about one"
        assert "FromTheFuture" in [event.type for event in session.events()]


def test_messages_of_16_mib_pass_both_ways(on):
    with on("big") as session:
        session.send({"type": "UpdatePrompt", "prompt": "y" * 16 * 1024 * 1024})
        session.send(b"\\2" * (16 * 1024 * 1024))
        turn = session.say("one", timeout="30s")
        assert turn.reply == "x" * 16 * 1024 * 1024
        assert turn.audio == b"\\1" * (16 * 1024 * 1024)


# What goes up -------------------------------------------------------------------------------------------------------

def test_tags_and_headers_reach_the_vendor(voice_agent, request):
    headers = {"x-deepgram-test": request.node.name, "X-Deepgram-Other": "its value"}
    with voice_agent.connect(tags=["smoke", "nightly"], headers=headers) as session:
        session.say("one")


def test_the_settings_own_tags_stay(voice_agent, request):
    settings = {"type": "Settings", "tags": ["own"], "agent": {"greeting": "hi"}, "from_the_future": {"n": [1.50]}}
    before = json.dumps(settings)
    headers = {"x-deepgram-test": request.node.name}
    with voice_agent.connect(settings, tags=["more"], headers=headers):
        pass
    assert json.dumps(settings) == before


def test_settings_come_from_files(voice_agent, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("agent.json").write_text('{"agent": {"greeting": "from json"}}')
    Path("agent.toml").write_text('[agent]\\ngreeting = "from toml"\\n')
    headers = {"x-deepgram-test": request.node.name}
    with voice_agent.connect("agent.json", headers=headers), voice_agent.connect(Path("agent.toml"), headers=headers):
        pass


def test_bad_settings_raise_before_anything_is_opened(voice_agent, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for bad in (tmp_path / "missing.json", tmp_path / "bad.json"):
        with pytest.raises(SettingsError, match=bad.name):
            voice_agent.connect(bad)
    with pytest.raises(SettingsError, match="smoke"):
        voice_agent.connect(tags="smoke")


def test_audio_is_sent_in_real_time(on):
    with on() as session:
        begin = time.monotonic()
        session.send_audio(bytes(48_000))
        assert 0.95 < time.monotonic() - begin < 6
        session.send({"type": "KeepAlive", "began": begin})
        session.say("one")


def test_audio_without_a_pace_is_sent_at_once(on):
    with on() as session:
        begin = time.monotonic()
        session.send_audio(bytes(480_000), pace=None)
        assert time.monotonic() - begin < 5
        session.say("one")


def test_a_wav_file_is_sent_as_its_samples(on, tmp_path):
    path = tmp_path / "user.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes(bytes(range(256)) * 30)
    with on() as session:
        session.send_audio(path, pace=None)
        session.say("one")


def test_a_wav_file_of_another_format_is_refused(on, tmp_path):
    path = tmp_path / "user.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(64))
    with on() as session:
        with pytest.raises(SettingsError, match="2 channel.*8000 Hz.*24000 Hz"):
            session.send_audio(path)
"""

SLOW_RULES = """
import pytest
from pytest_dgbudget import ExpectTimeout, HandshakeRefused


def test_a_vendor_that_never_answers_is_given_up(on):
    with pytest.raises(HandshakeRefused, match="10 s") as caught:
        with on("no answer to the handshake"):
            pass
    assert caught.value.status == 504


def test_a_vendor_that_never_says_welcome_is_given_up(on):
    with pytest.raises(ExpectTimeout, match="Welcome"):
        with on("no welcome"):
            pass


def test_keep_alives_go_out_by_themselves(on):
    import time
    with on() as session:
        time.sleep(9)
"""


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedVendor]:
    with ScriptedVendor() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def rules(scripted: ScriptedVendor, tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    return RulesProject(tmp_path_factory.mktemp("rules"), RULES, "-n2", "--dg-budget=100m", env=scripted.environ)


@pytest.fixture(scope="module")
def slow_rules(scripted: ScriptedVendor, tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    return RulesProject(tmp_path_factory.mktemp("slow"), SLOW_RULES, "-n3", "--dg-budget=10m", env=scripted.environ)


@pytest.mark.parametrize("rule", rules_in(RULES))
def test_rule(rules: RulesProject, rule: str) -> None:
    rules.check(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", rules_in(SLOW_RULES))
def test_slow_rule(slow_rules: RulesProject, rule: str) -> None:
    slow_rules.check(rule)


@pytest.mark.slow
def test_keep_alives_reach_the_vendor(slow_rules: RulesProject, scripted: ScriptedVendor) -> None:
    (seen,) = scripted.of("test_keep_alives_go_out_by_themselves")
    assert [message["type"] for message in seen.messages] == ["Settings", "KeepAlive"]


# The same sessions as the vendor and the report saw them ------------------------------------------------------------


def test_every_session_of_every_rule_is_closed_at_the_vendor(rules: RulesProject, scripted: ScriptedVendor) -> None:
    assert rules.usage["run"]["complete"]
    scripted.wait_closed(1)


def test_a_session_forgotten_is_closed_by_teardown(rules: RulesProject, scripted: ScriptedVendor) -> None:
    name = "test_awaiting_connect_gives_a_session_that_teardown_closes"
    assert [session["closed_by"] for session in rules.sessions(name)] == ["teardown"]
    assert [seen.close_code for seen in scripted.of(name)] == [1000]


def test_with_in_a_running_loop_leases_and_dials_nothing(rules: RulesProject, scripted: ScriptedVendor) -> None:
    name = "test_with_in_a_running_loop_raises_at_once"
    assert not rules.sessions(name)
    assert not scripted.of(name)
    (test,) = [test for test in rules.usage["tests"] if test["nodeid"].endswith(f"::{name}")]
    assert test["used_seconds"] == 0


def test_bad_settings_dial_nothing(rules: RulesProject) -> None:
    assert rules.sessions("test_bad_settings_raise_before_anything_is_opened") == []


def test_tags_and_headers_as_the_vendor_saw_them(rules: RulesProject, scripted: ScriptedVendor) -> None:
    (seen,) = scripted.of("test_tags_and_headers_reach_the_vendor")
    assert seen.headers["x-deepgram-other"] == "its value"
    assert seen.headers["authorization"] == f"Token {KEY}"
    assert seen.settings is not None
    assert seen.settings["tags"] == ["smoke", "nightly", f"dgbudget-{rules.usage['run']['id']}"]


def test_own_tags_and_unknown_fields_as_the_vendor_saw_them(rules: RulesProject, scripted: ScriptedVendor) -> None:
    (seen,) = scripted.of("test_the_settings_own_tags_stay")
    run_tag = f"dgbudget-{rules.usage['run']['id']}"
    assert seen.settings == {
        "type": "Settings",
        "tags": ["own", "more", run_tag],
        "agent": {"greeting": "hi"},
        "from_the_future": {"n": [1.5]},
    }


def test_settings_files_as_the_vendor_saw_them(rules: RulesProject, scripted: ScriptedVendor) -> None:
    settings = [seen.settings for seen in scripted.of("test_settings_come_from_files")]
    assert [each["agent"]["greeting"] for each in settings if each] == ["from json", "from toml"]


def test_no_frame_of_paced_audio_comes_early_or_much_too_late(rules: RulesProject, scripted: ScriptedVendor) -> None:
    (seen,) = scripted.of("test_audio_is_sent_in_real_time")
    frames = [message for message in seen.messages if message["type"] == "(audio)"]
    assert [frame["bytes"] for frame in frames] == [960] * 50
    (began,) = [message["began"] for message in seen.messages if "began" in message]
    for number, frame in enumerate(frames):
        assert frame["at"] - began >= number * 0.02 - 0.005, number
    assert frames[-1]["at"] - frames[0]["at"] < 49 * 0.02 + 5


def test_all_of_the_audio_reaches_the_vendor(rules: RulesProject, scripted: ScriptedVendor) -> None:
    (unpaced,) = scripted.of("test_audio_without_a_pace_is_sent_at_once")
    (wav,) = scripted.of("test_a_wav_file_is_sent_as_its_samples")
    assert (unpaced.audio_bytes, wav.audio_bytes) == (480_000, 7680)
    (session,) = rules.sessions("test_audio_without_a_pace_is_sent_at_once")
    assert session["audio_in_seconds"] == 10


@pytest.mark.parametrize(
    ("rule", "closed_by"),
    [
        ("test_the_vendors_own_close_is_the_servers", "server"),
        ("test_a_dropped_connection_is_the_networks", "network"),
        ("test_garbage_instead_of_http_is_a_refused_handshake", "network"),
        ("test_the_vendors_refusal_comes_with_status_code_and_advice[401-INVALID_AUTH-DEEPGRAM_API_KEY]", "refused"),
        ("test_close_twice_is_fine", "client"),
    ],
)
def test_the_report_says_who_closed_a_session(rules: RulesProject, rule: str, closed_by: str) -> None:
    assert [session["closed_by"] for session in rules.sessions(rule)] == [closed_by]


def test_a_dial_that_never_opened_counts_in_no_sessions_number(rules: RulesProject) -> None:
    name = "test_garbage_instead_of_http_is_a_refused_handshake"
    (test,) = [test for test in rules.usage["tests"] if test["nodeid"].endswith(f"::{name}")]
    (session,) = rules.sessions(name)
    assert (test["sessions"], session["handshake_seconds"]) == (0, None)


def test_a_cancelled_connect_is_closed_at_once_not_by_teardown(rules: RulesProject, scripted: ScriptedVendor) -> None:
    name = "test_a_cancelled_connect_leaves_nothing_open"
    assert [session["closed_by"] for session in rules.sessions(name)] == ["client"]


# A vendor that is not there, and a gateway that no longer is ---------------------------------------------------------


def test_an_unreachable_vendor_is_a_refused_handshake_with_advice(project: Project) -> None:
    project.write(
        "test_it.py",
        """
import pytest
from pytest_dgbudget import HandshakeRefused

def test_unreachable(voice_agent):
    with pytest.raises(HandshakeRefused, match="--dg-agent-url") as caught:
        with voice_agent.connect():
            pass
    assert caught.value.status == 502
""",
    )
    result = project.run("--dg-budget=5m", env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 0, result.output
    (session,) = result.usage["sessions"]
    assert (session["closed_by"], session["handshake_seconds"]) == ("network", None)
    assert result.usage["run"]["sessions"] == 0
