"""Every fault of the emulator, from a test while it runs: each test is a rule."""

from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pytest_dgbudget import (
    AgentError,
    BudgetExceeded,
    ExpectTimeout,
    FaultKind,
    HandshakeRefused,
    SessionClosed,
    SettingsError,
    VoiceAgent,
)
from pytest_dgbudget.client.voice_agent import Connect


@pytest.fixture
def broken(voice_agent: VoiceAgent) -> Callable[..., Connect]:
    """Connect with a fault that takes effect when the first thing is said, or at the event that it is given."""

    def broken(kind: FaultKind, **parameters: Any) -> Connect:
        voice_agent.emulator.fault(kind, **parameters)
        return voice_agent.connect(SILENT)

    return broken


SILENT = {"type": "Settings", "audio": {}, "agent": {}}  # no greeting to wait for


SAID = {"at": "InjectUserMessage"}


def test_slow_think_is_waited_for_and_warned_of(broken: Callable[..., Connect]) -> None:
    with broken("slow-think", delay="5500ms") as session:
        assert session.say("hi").reply == "You said: hi"
        warnings = [event.data for event in session.events() if event.type == "Warning"]
    assert [(each["code"], each["description"]) for each in warnings] == [
        ("SLOW_THINK_REQUEST", "We have now waited 5 seconds for a think response.")
    ]


def test_refuse_is_a_handshake_refused_with_the_status(broken: Callable[..., Connect]) -> None:
    refuses = broken("refuse", status=599, code="NO")
    with pytest.raises(HandshakeRefused, match="A fault of the emulator") as refused, refuses:
        pass
    assert (refused.value.status, refused.value.code) == (599, "NO")


def test_limit_is_a_429_above_its_sessions(voice_agent: VoiceAgent, broken: Callable[..., Connect]) -> None:
    endpoint = voice_agent.endpoint
    with broken("limit", sessions=1), pytest.raises(InvalidStatus) as refused:
        connect(endpoint.agent_url, additional_headers={"Authorization": f"Token {endpoint.api_key}"}, proxy=None)
    response = refused.value.response
    assert (response.status_code, b"TOO_MANY_REQUESTS" in (response.body or b"")) == (429, True)


def test_slow_handshake_is_waited_for_and_metered(voice_agent: VoiceAgent, broken: Callable[..., Connect]) -> None:
    with broken("slow-handshake", delay="400ms") as session:
        assert session.usage.seconds >= 0.4


@pytest.mark.xfail(raises=BudgetExceeded, strict=True)
@pytest.mark.dg_budget("2s")
def test_no_welcome_is_cut_at_the_budget(broken: Callable[..., Connect]) -> None:
    with broken("no-welcome"):
        pass


def test_slow_messages_come_in_order(broken: Callable[..., Connect]) -> None:
    with broken("slow-messages", delay="30ms", at="ConversationText") as session:
        assert session.say("hi").reply == "You said: hi"


def test_duplicate_messages_are_all_passed_on(broken: Callable[..., Connect]) -> None:
    with broken("duplicate", at="SettingsApplied") as session:
        session.say("hi")
        assert [message.type for message in session.events()].count("SettingsApplied") == 2


def test_out_of_order_messages_are_passed_on_as_they_come(broken: Callable[..., Connect]) -> None:
    with broken("out-of-order", at="ConversationText") as session:
        session.send({"type": "InjectUserMessage", "content": "hi"})
        session.expect("AgentAudioDone")
        kinds = [message.type for message in session.events()]
    assert kinds.index("History") < kinds.index("ConversationText")


@pytest.mark.xfail(raises=BudgetExceeded, strict=True)
@pytest.mark.dg_budget("2s")
def test_silence_is_cut_at_the_budget(broken: Callable[..., Connect]) -> None:
    with broken("silence", **SAID) as session:
        session.say("hi", timeout="1m")


def test_silence_ends_with_the_test(broken: Callable[..., Connect]) -> None:
    with broken("silence", **SAID) as session, pytest.raises(ExpectTimeout):
        session.say("hi", timeout="300ms")


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_drop_is_a_session_closed_by_the_network(broken: Callable[..., Connect], how: str) -> None:
    with pytest.raises(SessionClosed) as closed, broken("drop", how=how, **SAID) as session:
        session.say("hi")
    assert closed.value.closed_by == "network"


def test_drop_strikes_sessions_that_are_open(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        voice_agent.emulator.fault("drop", after="50ms")
        with pytest.raises(SessionClosed):
            session.expect("Nothing")


def test_ignore_close_does_not_keep_the_client_waiting(broken: Callable[..., Connect]) -> None:
    with broken("ignore-close") as session:
        session.say("hi")


def test_flood_is_taken_whole(broken: Callable[..., Connect]) -> None:
    with broken("flood", messages=2000, **SAID) as session:
        assert session.say("hi").reply == "You said: hi"
        assert [message.type for message in session.events()].count("Warning") == 2000


@pytest.mark.parametrize("form", ["json", "utf8", "frame"])
def test_malformed_messages_end_nothing_but_the_session(broken: Callable[..., Connect], form: str) -> None:
    with broken("malformed", form=form, **SAID) as session:
        if form == "json":
            assert session.say("hi").reply == "You said: hi"
        else:
            with pytest.raises(SessionClosed):
                session.say("hi")


def test_oversized_messages_are_taken(broken: Callable[..., Connect]) -> None:
    with broken("oversized", **SAID) as session:
        session.say("hi")
        assert max(len(message.data.get("description", "")) for message in session.events()) > 16_000_000


def test_out_of_credit_ends_the_session_and_refuses_the_next(
    voice_agent: VoiceAgent, broken: Callable[..., Connect]
) -> None:
    with pytest.raises(SessionClosed, match="1005"), broken("out-of-credit", **SAID) as session:
        with pytest.raises(AgentError, match="EMULATED_OUT_OF_CREDIT"):
            session.say("hi")
        session.expect("nothing more")
    with pytest.raises(HandshakeRefused) as refused, voice_agent.connect():
        pass
    assert refused.value.status == 402
    assert str(refused.value).endswith("The emulated project is out of credit.")  # and no advice


def test_deaf_lets_what_is_sent_back_up_and_answers_nothing(broken: Callable[..., Connect]) -> None:
    with broken("deaf", at="SettingsApplied") as session:
        session.send({"type": "InjectUserMessage", "content": "hi"})
        with pytest.raises(ExpectTimeout):
            session.expect("ConversationText", timeout="300ms")


def test_late_audio_comes_after_its_text(broken: Callable[..., Connect]) -> None:
    with broken("late-audio", delay="500ms") as session:
        session.send({"type": "InjectUserMessage", "content": "hi"})
        session.expect("ConversationText", role="assistant")
        assert not session.audio
        session.expect("AgentAudioDone")
        assert session.audio


def test_faults_are_of_one_test_and_can_be_cleared(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.fault("refuse")
    voice_agent.emulator.clear_faults()
    with voice_agent.connect() as session:
        session.say("hi")


def test_a_bad_fault_is_refused_with_what_there_is(voice_agent: VoiceAgent) -> None:
    with pytest.raises(SettingsError, match="did you mean drop"):
        voice_agent.emulator.fault("dropp")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="it takes: at, after, how"):
        voice_agent.emulator.fault("drop", when="now")  # type: ignore[call-arg]
    with pytest.raises(SettingsError, match="'soon' is not a time"):
        voice_agent.emulator.fault("silence", after="soon")


@pytest.mark.asyncio
async def test_async_tests_set_them_as_well(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        voice_agent.emulator.fault("drop")
        with pytest.raises(SessionClosed):
            await session.expect("Nothing")
