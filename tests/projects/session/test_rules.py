"""A session as tests use it: each test is a rule."""

import asyncio
import json
import logging
import re
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pytest_dgbudget import (
    AgentError,
    DgBudgetError,
    ExpectTimeout,
    HandshakeRefused,
    SessionClosed,
    SettingsError,
    VoiceAgent,
)
from pytest_dgbudget.client.voice_agent import Connect

asynchronous = pytest.mark.asyncio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_latency_is_that_of_the_turns_so_far(voice_agent: VoiceAgent, on: Callable[..., Connect]) -> None:
    none = voice_agent.latency
    assert (none.turns, none.p50, none.p95) == (0, None, None)
    with on("converse") as session:
        first = session.say("one").latency
        assert (voice_agent.latency.turns, voice_agent.latency.p50) == (1, first)
    with on("converse") as session:
        second = session.say("two").latency
        both = voice_agent.latency
    assert voice_agent.latency == both
    assert None not in (first, second)
    assert [both.p50, both.p95] == sorted(each or 0 for each in (first, second))
    assert (both.turns, both.overlapped, both.unanswered) == (2, 0, 0)


@asynchronous
async def test_latency_is_known_in_async_tests(voice_agent: VoiceAgent, on: Callable[..., Connect]) -> None:
    async with on("converse") as session:
        turn = await session.say("one")
        assert (voice_agent.latency.turns, voice_agent.latency.p95) == (1, turn.latency)


# Talking ------------------------------------------------------------------------------------------------------------


def test_say_returns_the_whole_reply(on: Callable[..., Connect]) -> None:
    with on("converse") as session:
        turn = session.say("one")
    assert (turn.user_transcript, turn.reply, len(turn.audio)) == ("one", "about one", 4800)
    assert [message.type for message in turn.events] == ["ConversationText", "ConversationText", "AgentAudioDone"]


@asynchronous
async def test_say_works_in_async_tests(on: Callable[..., Connect]) -> None:
    async with on("converse") as session:
        assert (await session.say("one")).reply == "about one"
        assert (await session.say("two")).reply == "about two"


@pytest.mark.anyio
async def test_say_works_under_anyio(on: Callable[..., Connect], anyio_backend: str) -> None:
    async with on("converse") as session:
        assert (await session.say("one")).reply == "about one"


def test_say_times_out_with_what_came_instead(on: Callable[..., Connect]) -> None:
    answers_nothing = pytest.raises(ExpectTimeout, match=r"1 s; no handler answers lookup: register one")
    with on("calls") as session, answers_nothing as caught:
        session.say("lookup {}", timeout="1s")
    assert isinstance(caught.value, TimeoutError)


def test_an_error_of_the_agent_ends_say(on: Callable[..., Connect]) -> None:
    with on("error") as session, pytest.raises(AgentError, match="it broke") as caught:
        session.say("one")
    assert (caught.value.code, caught.value.description) == ("SOME_CODE", "it broke")


def test_a_refused_injection_ends_say(on: Callable[..., Connect]) -> None:
    with on("refuses") as session, pytest.raises(AgentError, match="I am speaking") as caught:
        session.say("one")
    assert caught.value.code == "InjectionRefused"


def test_an_error_for_settings_ends_connect(on: Callable[..., Connect]) -> None:
    with pytest.raises(AgentError, match="no such voice"), on("error for settings"):
        pass


def test_events_transcript_and_audio_show_everything(on: Callable[..., Connect]) -> None:
    with on("converse") as session:
        session.say("one")
        session.say("two")
        assert [event.type for event in session.events()] == (
            ["Welcome", "SettingsApplied"] + 2 * ["ConversationText", "ConversationText", "AgentAudioDone"]
        )
        assert [(said.role, said.content) for said in session.transcript] == [
            ("user", "one"),
            ("assistant", "about one"),
            ("user", "two"),
            ("assistant", "about two"),
        ]
        assert session.audio == bytes(9600)


def test_the_request_id_is_the_welcomes(on: Callable[..., Connect]) -> None:
    with on() as session:
        assert session.request_id == session.events()[0].data["request_id"]


def test_an_unknown_request_id_is_none(on: Callable[..., Connect]) -> None:
    with on("no request id") as session:
        assert session.request_id is None


def test_send_takes_objects_texts_and_audio(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.send({"type": "KeepAlive"})
        session.send('{"type": "UpdatePrompt", "prompt": "x"}')
        session.send(bytes(10))
        session.say("one")


def test_close_twice_is_fine(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.close()
        session.close()


@asynchronous
async def test_close_twice_is_fine_in_async_tests(on: Callable[..., Connect]) -> None:
    async with on() as session:
        await session.close()
        await session.close()


def test_a_closed_session_says_so(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.close()
        with pytest.raises(SessionClosed) as caught:
            session.say("one")
    assert (caught.value.code, caught.value.closed_by) == (1000, "client")


def test_usage_and_remaining_count(on: Callable[..., Connect], voice_agent: VoiceAgent) -> None:
    assert (voice_agent.usage.seconds, voice_agent.usage.sessions, voice_agent.remaining) == (0, 0, 60)
    with on() as session:
        time.sleep(0.2)
        assert 0.2 <= session.usage.seconds < 10
        assert 0.2 <= voice_agent.usage.seconds < 10
        remaining = voice_agent.remaining
        assert remaining is not None
        assert 50 < remaining <= 59.8
    used = session.usage.seconds
    assert voice_agent.usage.seconds == pytest.approx(used, abs=0.01)
    assert voice_agent.usage.sessions == 1
    assert voice_agent.remaining == pytest.approx(60 - used, abs=0.01)
    with on():
        assert voice_agent.usage.sessions == 2


@asynchronous
async def test_awaiting_connect_gives_a_session_that_teardown_closes(on: Callable[..., Connect]) -> None:
    session = await on()
    assert (await session.say("one")).reply == "about one"


@asynchronous
async def test_with_in_a_running_loop_raises_at_once(on: Callable[..., Connect]) -> None:
    with pytest.raises(DgBudgetError, match="async with"), on():
        pass


@pytest.mark.anyio
async def test_with_in_any_running_loop_raises_at_once(on: Callable[..., Connect], anyio_backend: str) -> None:
    with pytest.raises(DgBudgetError, match="async with"), on():
        pass


# Expecting ----------------------------------------------------------------------------------------------------------


def test_expect_looks_at_what_came_since_the_last_one(on: Callable[..., Connect]) -> None:
    with on() as session:
        assert session.expect("SettingsApplied").type == "SettingsApplied"
        session.send({"type": "InjectUserMessage", "content": "one"})
        assert session.expect("Late").data["n"] == 4
        for passed in ("Welcome", "Step", "Other"):
            with pytest.raises(ExpectTimeout):
                session.expect(passed, timeout=0.05)


def test_expect_does_not_skip_what_it_returned_before(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.send({"type": "InjectUserMessage", "content": "one"})
        assert [session.expect("Step").data["n"], session.expect("Step").data["n"]] == [1, 2]


def test_expect_begins_after_the_turn_that_say_returned(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.say("one")
        with pytest.raises(ExpectTimeout):
            session.expect("Step", timeout=0.05)
        assert session.expect("Late").data["n"] == 4


def test_expect_compares_fields_and_patterns(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.send({"type": "InjectUserMessage", "content": "one"})
        assert session.expect("Step", n=2).data["n"] == 2
        assert (
            session.expect("ConversationText", role="assistant", content=re.compile("^about")).data["content"]
            == "about one"
        )


def test_a_failed_expect_uses_nothing_up(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.send({"type": "InjectUserMessage", "content": "one"})
        with pytest.raises(ExpectTimeout):
            session.expect("Never", timeout=0.2)
        assert session.expect("Step").data["n"] == 1


def test_expect_timeout_says_what_was_awaited_and_what_came(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.say("one")
        session.expect("Late")
        session.send({"type": "InjectUserMessage", "content": "two"})
        with pytest.raises(ExpectTimeout) as caught:
            session.expect("ConversationText", role="user", timeout="1s")
    text = str(caught.value)
    first, *came = text.splitlines()
    assert first.startswith("no ConversationText, role='user' within 1 s; the last ConversationText came at ")
    assert first.endswith(" s, but its role is 'assistant'; came instead: ")
    names = [re.sub(r"^ +\d+\.\d\d s  ", "", line) for line in came]
    assert names[:3] == ["Step", "Step", "Other"]
    assert "ConversationText assistant: 'about two'" in names


def test_expect_timeout_says_that_the_message_was_passed_already(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.say("one")
        with pytest.raises(ExpectTimeout, match=r"the last say or expect has passed it: it is in events\(\)"):
            session.expect("ConversationText", role="assistant", timeout=0.05)


def test_expect_timeout_says_that_no_document_has_the_type(on: Callable[..., Connect]) -> None:
    with on() as session:
        said = "no message of the type 'ConversationTexts'; did you mean ConversationText?"
        with pytest.raises(ExpectTimeout, match=re.escape(said)):
            session.expect("ConversationTexts", timeout=0.05)
        with pytest.raises(ExpectTimeout) as caught:
            session.expect("PromptUpdated", timeout=0.05)
        assert "documents no" not in str(caught.value)


def test_expect_timeout_says_when_nothing_came(on: Callable[..., Connect]) -> None:
    with on("no answer") as session:
        session.expect("SettingsApplied")
        with pytest.raises(ExpectTimeout, match="nothing"):
            session.expect("Late", timeout="50ms")


def test_expect_with_timeout_zero_still_looks_at_what_has_come(on: Callable[..., Connect]) -> None:
    with on() as session:
        assert session.expect("SettingsApplied", timeout=0).type == "SettingsApplied"


def test_a_message_of_an_empty_type_is_only_another_message(on: Callable[..., Connect]) -> None:
    with on("malformed") as session, pytest.raises(ExpectTimeout):
        session.send({"type": "InjectUserMessage", "content": "one"})
        session.expect("Never", timeout=0.3)


# Functions ----------------------------------------------------------------------------------------------------------


def test_a_handler_answers_in_a_sync_test(on: Callable[..., Connect]) -> None:
    with on("calls") as session:

        @session.on_function("lookup")
        def lookup(order: str) -> dict[str, str]:
            return {"order": order, "state": "sent"}

        assert session.say('lookup {"order": "A-17"}').reply == 'the answer is {"order": "A-17", "state": "sent"}'


def test_an_async_handler_answers_in_a_sync_test(on: Callable[..., Connect]) -> None:
    with on("calls") as session:

        @session.on_function("lookup")
        async def lookup(order: str) -> str:
            await asyncio.sleep(0)
            return order

        assert session.say('lookup {"order": "A-17"}').reply == "the answer is A-17"


def test_what_a_handler_raises_has_the_handlers_frames_and_its_name(on: Callable[..., Connect]) -> None:
    with on("calls") as session:

        @session.on_function("lookup")
        async def lookup() -> None:
            raise LookupError("no such order")

        with pytest.raises(LookupError) as caught:
            session.say("lookup {}", timeout="3s")
    shown = [entry.name for entry in caught.traceback if not entry.ishidden(caught)]
    assert shown == ["test_what_a_handler_raises_has_the_handlers_frames_and_its_name", "lookup"]
    assert caught.value.__context__ is None
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == ["raised by the handler of the function 'lookup'"]


@asynchronous
async def test_what_a_handler_raises_has_its_own_frames_in_async_tests_and_at_the_end_of_with(
    on: Callable[..., Connect],
) -> None:
    with pytest.raises(LookupError) as caught:
        async with on("calls") as session:

            @session.on_function("lookup")
            def lookup() -> None:
                raise LookupError("no such order")

            await session.send({"type": "InjectUserMessage", "content": "lookup {}"})
            await session.expect("FunctionCallRequest")
    assert [entry.name for entry in caught.traceback if not entry.ishidden(caught)][1:] == ["lookup"]


@asynchronous
async def test_a_handler_runs_in_the_tests_own_loop(on: Callable[..., Connect]) -> None:
    async with on("calls") as session:
        loop = asyncio.get_running_loop()

        @session.on_function("lookup")
        async def lookup(order: str) -> str:
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0)
            return order

        assert (await session.say('lookup {"order": "A-17"}')).reply == "the answer is A-17"


@pytest.mark.anyio
async def test_a_handler_answers_under_anyio(on: Callable[..., Connect], anyio_backend: str) -> None:
    async with on("calls") as session:

        @session.on_function("lookup")
        async def lookup(order: str) -> str:
            await anyio.lowlevel.checkpoint()
            return order

        assert (await session.say('lookup {"order": "A-17"}')).reply == "the answer is A-17"


def test_what_a_handler_raises_is_raised_by_say(on: Callable[..., Connect]) -> None:
    with on("calls") as session:

        @session.on_function("lookup")
        def lookup() -> None:
            raise LookupError("no such order")

        with pytest.raises(LookupError, match="no such order"):
            session.say("lookup {}", timeout="3s")


@asynchronous
async def test_what_a_handler_raises_is_raised_by_say_in_async_tests(on: Callable[..., Connect]) -> None:
    async with on("calls") as session:

        @session.on_function("lookup")
        async def lookup() -> None:
            raise AssertionError("handler asserts")

        with pytest.raises(AssertionError, match="handler asserts"):
            await session.say("lookup {}", timeout="3s")


@pytest.mark.anyio
async def test_what_a_handler_raises_is_raised_by_say_under_anyio(
    on: Callable[..., Connect], anyio_backend: str
) -> None:
    async with on("calls") as session:

        @session.on_function("lookup")
        async def lookup() -> None:
            raise LookupError("no such order")

        with pytest.raises(LookupError, match="no such order"):
            await session.say("lookup {}", timeout="3s")


def test_a_handler_that_calls_pytest_fail_fails_say_at_once(on: Callable[..., Connect]) -> None:
    with on("calls") as session:

        @session.on_function("lookup")
        def lookup() -> None:
            pytest.fail("from the handler")

        with pytest.raises(pytest.fail.Exception, match="from the handler"):
            session.say("lookup {}", timeout="3s")


@pytest.mark.anyio
async def test_a_handler_that_calls_pytest_fail_fails_say_at_once_under_anyio(
    on: Callable[..., Connect], anyio_backend: str
) -> None:
    async with on("calls") as session:

        @session.on_function("lookup")
        def lookup() -> None:
            pytest.fail("from the handler")

        with pytest.raises(pytest.fail.Exception, match="from the handler"):
            await session.say("lookup {}", timeout="3s")


def test_what_a_handler_can_not_take_or_return_is_raised_by_say(on: Callable[..., Connect]) -> None:
    with on("calls") as session:
        session.on_function("lookup")(lambda: None)
        with pytest.raises(TypeError, match="unexpected keyword"):
            session.say('lookup {"order": 1}', timeout="3s")
    with on("calls") as session:
        session.on_function("lookup")(lambda: object())
        with pytest.raises(
            TypeError, match=r"the handler of lookup returned <object object at .*>, which JSON can't hold"
        ):
            session.say("lookup {}", timeout="3s")


# Cancelling ---------------------------------------------------------------------------------------------------------


@asynchronous
async def test_a_cancelled_connect_leaves_nothing_open(on: Callable[..., Connect], voice_agent: VoiceAgent) -> None:
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        await asyncio.wait_for(on("no settings applied"), 0.5)
    for _ in range(200):
        used = voice_agent.usage.seconds
        await asyncio.sleep(0.02)
        if voice_agent.usage.seconds == used:
            return
    pytest.fail("the session is still open")


@pytest.mark.anyio
async def test_a_connect_cancelled_under_anyio_leaves_nothing_open(
    on: Callable[..., Connect], voice_agent: VoiceAgent, anyio_backend: str
) -> None:
    with anyio.move_on_after(0.5):
        await on("no settings applied")
    for _ in range(200):
        used = voice_agent.usage.seconds
        await anyio.sleep(0.02)
        if voice_agent.usage.seconds == used:
            return
    pytest.fail("the session is still open")


@pytest.mark.anyio
async def test_a_cancelled_say_leaves_the_session_usable(on: Callable[..., Connect], anyio_backend: str) -> None:
    async with on("calls") as session:
        with anyio.move_on_after(0.1) as scope:
            await session.say("lookup {}", timeout="3s")
        assert scope.cancelled_caught
        await session.send({"type": "FunctionCallResponse", "id": "call-1", "name": "lookup", "content": "late"})
        assert (await session.expect("ConversationText", role="assistant")).data["content"] == "the answer is late"


# Ends ---------------------------------------------------------------------------------------------------------------


def test_the_vendors_own_close_is_the_servers(on: Callable[..., Connect]) -> None:
    with on("closes") as session, pytest.raises(SessionClosed, match="enough of this") as caught:
        session.say("one")
    assert (caught.value.code, caught.value.reason, caught.value.closed_by) == (4321, "enough of this", "server")
    assert isinstance(caught.value, ConnectionError)


def test_a_dropped_connection_is_the_networks(on: Callable[..., Connect]) -> None:
    with on("drops") as session, pytest.raises(SessionClosed) as caught:
        session.say("one")
    assert (caught.value.code, caught.value.closed_by) == (4503, "network")


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, "INVALID_AUTH", "DEEPGRAM_API_KEY"),
        (402, "ASR_PAYMENT_REQUIRED", "out of credit"),
        (429, "TOO_MANY_REQUESTS", "--dg-max-sessions"),
        (500, "INTERNAL_SERVER_ERROR", "message"),
    ],
)
def test_the_vendors_refusal_comes_with_status_code_and_advice(
    on: Callable[..., Connect], status: int, code: str, advice: str
) -> None:
    with pytest.raises(HandshakeRefused, match=advice) as caught, on(f"refuse-{status}"):
        pass
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.request_id == f"rid-{status}"
    assert caught.value.vendor_message
    assert caught.value.vendor_message in str(caught.value)


def test_a_vendor_that_is_busy_is_asked_again_and_the_waiting_is_not_billed(
    voice_agent: VoiceAgent, on: Callable[..., Connect]
) -> None:
    started_at = time.monotonic()
    with on("busy at first") as session:
        took = time.monotonic() - started_at
        assert session.say("one").reply == "about one"
    assert took >= 1
    assert voice_agent.usage.sessions == 1
    assert voice_agent.usage.seconds < took


def test_garbage_instead_of_http_is_a_refused_handshake(on: Callable[..., Connect]) -> None:
    with pytest.raises(HandshakeRefused, match="--dg-agent-url") as caught, on("garbage"):
        pass
    assert caught.value.status == 502


def test_malformed_messages_pass(on: Callable[..., Connect]) -> None:
    with on("malformed") as session:
        assert session.say("one").reply == "about one"
        assert "FromTheFuture" in [event.type for event in session.events()]


def test_messages_of_16_mib_pass_both_ways(on: Callable[..., Connect]) -> None:
    with on("big") as session:
        session.send({"type": "UpdatePrompt", "prompt": "y" * 16 * 1024 * 1024})
        session.send(b"\2" * (16 * 1024 * 1024))
        turn = session.say("one", timeout="30s")
        assert turn.reply == "x" * 16 * 1024 * 1024
        assert turn.audio == b"\1" * (16 * 1024 * 1024)


# What goes up -------------------------------------------------------------------------------------------------------


def test_tags_and_headers_reach_the_vendor(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> None:
    headers = {"x-deepgram-test": request.node.name, "X-Deepgram-Other": "its value"}
    with voice_agent.connect(tags=["smoke", "nightly"], headers=headers) as session:
        session.say("one")


def test_the_settings_own_tags_stay(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> None:
    settings = {"type": "Settings", "tags": ["own"], "agent": {"greeting": "hi"}, "from_the_future": {"n": [1.50]}}
    before = json.dumps(settings)
    headers = {"x-deepgram-test": request.node.name}
    with voice_agent.connect(settings, tags=["more"], headers=headers):
        pass
    assert json.dumps(settings) == before


def test_settings_come_from_files(
    voice_agent: VoiceAgent, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agent.json").write_text('{"agent": {"greeting": "from json"}}')
    Path("agent.toml").write_text('[agent]\ngreeting = "from toml"\n')
    headers = {"x-deepgram-test": request.node.name}
    with voice_agent.connect("agent.json", headers=headers), voice_agent.connect(Path("agent.toml"), headers=headers):
        pass


def test_bad_settings_raise_before_anything_is_opened(voice_agent: VoiceAgent, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    for bad in (tmp_path / "missing.json", tmp_path / "bad.json"):
        with pytest.raises(SettingsError, match=bad.name):
            voice_agent.connect(bad)
    with pytest.raises(SettingsError, match="smoke"):
        voice_agent.connect(tags="smoke")


def test_audio_is_sent_in_real_time(on: Callable[..., Connect]) -> None:
    with on() as session:
        begin = time.monotonic()
        session.send_audio(bytes(48_000), trailing=0)
        assert 0.95 < time.monotonic() - begin < 6
        session.send({"type": "KeepAlive", "began": begin})
        session.say("one")


def test_audio_without_a_pace_is_sent_at_once(on: Callable[..., Connect]) -> None:
    with on() as session:
        begin = time.monotonic()
        session.send_audio(bytes(480_000), pace=None, trailing=0)
        assert time.monotonic() - begin < 5
        session.say("one")


def test_a_wav_file_is_sent_as_its_samples(on: Callable[..., Connect], tmp_path: Path) -> None:
    path = tmp_path / "user.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes(bytes(range(256)) * 30)
    with on() as session:
        session.send_audio(path, pace=None, trailing=0)
        session.say("one")


def test_a_wav_file_of_another_format_is_refused(on: Callable[..., Connect], tmp_path: Path) -> None:
    path = tmp_path / "user.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(64))
    with on() as session, pytest.raises(SettingsError, match=r"8000 Hz, not 24000 Hz; it has 2 channels"):
        session.send_audio(path)


def test_words_said_aloud_need_a_recording_where_the_target_is_live(on: Callable[..., Connect]) -> None:
    with on() as session, pytest.raises(SettingsError, match=r"the target is live.*record somebody who says 'Hello\?'"):
        session.say_aloud("Hello?")


def test_a_recording_is_sent_where_the_target_is_live(on: Callable[..., Connect]) -> None:
    with on() as session:
        session.say_aloud("Hello?", recording=[bytes(4800), bytes(4800)], pace=None, trailing=0)
        session.say("one")


# Its own client's log -----------------------------------------------------------------------------------------------


def test_debug_of_everybody_is_not_that_of_its_own_client(
    on: Callable[..., Connect], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with on("converse") as session:
        logging.getLogger("app").debug("called")
        session.say("one")
    assert [record.message for record in caplog.records if record.name != "asyncio"] == ["called"]


def test_debug_of_its_own_client_has_no_token(
    on: Callable[..., Connect], voice_agent: VoiceAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="pytest_dgbudget.client")
    with on("converse"):
        pass
    assert "GET /v1/agent/converse" in caplog.text
    assert voice_agent.endpoint.api_key not in caplog.text
