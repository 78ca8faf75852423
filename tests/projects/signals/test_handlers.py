import signal

from pytest_dgbudget import VoiceAgent


def handlers() -> dict[int, object]:
    return {each: signal.getsignal(each) for each in signal.valid_signals()}


BEFORE = handlers()


def test_it(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        assert handlers() == BEFORE


def test_after(voice_agent: VoiceAgent) -> None:
    assert handlers() == BEFORE
