"""Text turns with the emulator, as fast as it answers: PORT TOKEN SESSIONS SECONDS.

Prints "began", and then how many turns ended in that time. Each client asks again as soon as it was answered.
"""

from __future__ import annotations

import json
import selectors
import sys
import time

from benchmarks.pacer import open_session
from benchmarks.wire import CLOSE, TEXT, Messages, from_client
from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS

QUESTION = from_client(TEXT, json.dumps({"type": "InjectUserMessage", "content": "Are you open?"}).encode())


class Asker:
    """One session; ``turns`` counts what was answered."""

    def __init__(self, port: int, token: str) -> None:
        self.turns = 0
        self._messages = Messages()
        self._socket = open_session(port, token)
        agent = {**DEFAULT_SETTINGS["agent"], "greeting": None}
        self._socket.sendall(from_client(TEXT, json.dumps({**DEFAULT_SETTINGS, "agent": agent}).encode()))
        self._socket.sendall(QUESTION)

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> None:
        for opcode, payload in self._messages.feed(self._socket.recv(65536)):
            if opcode == CLOSE or (opcode == TEXT and b'"Error"' in payload):
                sys.exit(f"the emulator ended a session: {payload!r}")
            if opcode == TEXT and b'"AgentAudioDone"' in payload:
                self.turns += 1
                self._socket.sendall(QUESTION)


def main(port: int, token: str, sessions: int, seconds: float) -> None:
    askers = [Asker(port, token) for _ in range(sessions)]
    selector = selectors.DefaultSelector()
    for asker in askers:
        selector.register(asker, selectors.EVENT_READ)
    print("began", flush=True)
    ends, before = time.monotonic() + seconds, sum(asker.turns for asker in askers)
    while time.monotonic() < ends:
        for key, _ in selector.select(0.1):
            talker = key.fileobj
            assert isinstance(talker, Asker)
            talker.take()
    print(sum(asker.turns for asker in askers) - before, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
