import threading
import time
from contextlib import suppress

from pytest_dgbudget import Session, VoiceAgent


def keeps_talking(session: Session) -> None:
    for _ in range(75):
        with suppress(Exception):
            session.send({"type": "KeepAlive"})
        time.sleep(0.02)


def test_leaves_a_thread(voice_agent: VoiceAgent) -> None:
    session = voice_agent.connect().__enter__()
    threading.Thread(target=keeps_talking, args=(session,)).start()
