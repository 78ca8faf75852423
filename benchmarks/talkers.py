"""Conversations with the emulator at the vendor's pace: PORT TOKEN SESSIONS SECONDS.

Prints "began" and "ended", then how long before it would be heard each frame of the agent's speech came, in
milliseconds, below 0 if after; the sessions are open until its stdin ends. Each client sends 50 messages of 20 ms a
second and asks again as soon as it was answered. A sentence is heard from its first frame on. One thread without an
event loop, as in pacer.
"""

from __future__ import annotations

import gc
import json
import select
import selectors
import sys
import time
from collections.abc import Sequence

from benchmarks.pacer import open_session
from benchmarks.wire import BINARY, CLOSE, TEXT, Messages, from_client, header
from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS

INTERVAL = 1 / 50
FRAME_MS = 120
SILENCE = header(BINARY, 960, 0x80) + bytes(4 + 960)  # 20 ms of the default settings' input
QUESTION = from_client(
    TEXT,
    json.dumps({"type": "InjectUserMessage", "content": "This is one sentence. And this is another one."}).encode(),
)
SETTLE_SECONDS = 1.0


class Talker:
    """One conversation; ``early_ms`` has the frames of the answers that began and ended since ``count``."""

    def __init__(self, port: int, token: str) -> None:
        self.early_ms: list[float] = []
        self._counts = False
        self._sentences: list[list[float]] = []
        self._messages = Messages()
        self._socket = open_session(port, token)
        agent = {**DEFAULT_SETTINGS["agent"], "greeting": None}
        self._socket.sendall(from_client(TEXT, json.dumps({**DEFAULT_SETTINGS, "agent": agent}).encode()))

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self) -> None:
        self._socket.sendall(QUESTION)

    def count(self) -> None:
        """From the next answer on: this one may have begun before anybody listened."""
        self.early_ms, self._counts = [], False

    def send(self) -> None:
        self._socket.sendall(SILENCE)

    def take(self) -> None:
        data, now = self._socket.recv(65536), time.monotonic() * 1000
        for opcode, payload in self._messages.feed(data):
            if opcode == BINARY:
                self._sentences[-1].append(now)
            elif b'"ConversationText"' in payload:
                self._sentences.append([])
            elif b'"AgentAudioDone"' in payload:
                self._end_answer()
            elif opcode == CLOSE or b'"Error"' in payload:
                sys.exit(f"the emulator ended a session: {payload!r}")

    def close(self) -> None:
        self._socket.sendall(from_client(CLOSE, b"\x03\xe8"))
        while self._socket.recv(65536):
            pass
        self._socket.close()

    def _end_answer(self) -> None:
        if self._counts:
            self.early_ms += [each for arrivals in self._sentences for each in earliness(arrivals)]
        self._sentences, self._counts = [], True
        self.ask()


def earliness(arrivals: Sequence[float]) -> Sequence[float]:
    """How long before it would be heard each frame of a sentence came, in milliseconds."""
    return [arrivals[0] + n * FRAME_MS - at for n, at in enumerate(arrivals)]


class Load:
    """Sends when it is time, and meanwhile takes what comes."""

    def __init__(self, talkers: Sequence[Talker]) -> None:
        self._talkers = talkers
        self._selector = selectors.DefaultSelector()
        for talker in talkers:
            self._selector.register(talker, selectors.EVENT_READ)

    def run(self, seconds: float) -> None:
        gap = INTERVAL / len(self._talkers)
        started = time.monotonic()
        for number in range(round(seconds / gap)):
            self._take_until(started + number * gap)
            self._talkers[number % len(self._talkers)].send()

    def _take_until(self, instant: float) -> None:
        """At least once, however late it is."""
        while select.select([self._selector], [], [], max(0.0, instant - time.monotonic()))[0]:
            for key, _ in self._selector.select(0):
                talker = key.fileobj
                assert isinstance(talker, Talker)
                talker.take()
            if time.monotonic() >= instant:
                return


def main(port: int, token: str, sessions: int, seconds: float) -> None:
    talkers = [Talker(port, token) for _ in range(sessions)]
    load = Load(talkers)
    gc.disable()
    for talker in talkers:
        talker.ask()
    load.run(SETTLE_SECONDS)
    for talker in talkers:
        talker.count()
    print("began", flush=True)
    load.run(seconds)
    print("ended", flush=True)
    print(json.dumps([round(early, 3) for talker in talkers for early in talker.early_ms]), flush=True)
    sys.stdin.read()
    for talker in talkers:
        talker.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
