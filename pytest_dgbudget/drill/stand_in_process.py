"""The stand-in for the vendor, seen by the drills: started as a process, and what it says of their sessions."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from pytest_dgbudget.drill.measure import SeenSession
from pytest_dgbudget.drill.seen import AGENT_PATH, CLOSE_SEEN, CLOSED, OPENED, READY
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.processes import Interpreter

_END_SECONDS = 5.0
# How often a wait looks whether the drills were given up.
_LOOK_SECONDS = 0.1


class DrillFailed(DgBudgetError):
    """What was to be seen did not happen; the message says what happened instead, and what to do."""


class DrillsStopped(Exception):
    """Somebody stopped all drills."""


class StandIn:
    """Runs the program; sessions are told apart by the key that opened them, one for each drill."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.stopped = threading.Event()
        self._changed = threading.Condition()
        # By key and session, what was seen at which millisecond.
        self._seen: dict[str, dict[str, dict[str, int]]] = {}
        self._process = subprocess.Popen(
            interpreter.command("drill.stand_in"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=interpreter.environment,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="dgbudget-drill-stand-in", daemon=True)

    def __enter__(self) -> StandIn:
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        self._reader.start()
        if not first:
            self.__exit__(None, None, None)
            raise DrillFailed("the stand-in for the vendor did not start; what it said is above")
        ports = json.loads(first)
        self.port: int = ports["port"]
        self.deaf_port: int = ports["deaf_port"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_END_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def agent_url(self, port: int) -> str:
        return f"ws://127.0.0.1:{port}{AGENT_PATH}"

    def wait(self, happened: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true that may change with what is seen; return whether it is.

        Raises DrillsStopped.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while not happened():
                if self.stopped.is_set():
                    raise DrillsStopped
                if (left := until - time.monotonic()) <= 0:
                    return False
                self._changed.wait(min(left, _LOOK_SECONDS))
        return True

    def ready(self, key: str) -> list[str]:
        """Return the sessions that have their Settings, or have ended without, in the order in which they came."""
        return [session for session, seen in self._of(key).items() if READY in seen or CLOSED in seen]

    def is_closed(self, key: str, sessions: list[str]) -> bool:
        seen = self._of(key)
        return all(CLOSED in seen[session] for session in sessions)

    def open(self, key: str) -> list[str]:
        return [session for session, seen in self._of(key).items() if CLOSED not in seen]

    def metered(self, key: str) -> list[SeenSession]:
        """Return what is known of every session that has closed."""
        return [
            SeenSession(id=session, opened_ms=seen[OPENED], close_seen_ms=seen[CLOSE_SEEN], closed_ms=seen[CLOSED])
            for session, seen in self._of(key).items()
            if CLOSED in seen
        ]

    def _of(self, key: str) -> dict[str, dict[str, int]]:
        with self._changed:
            return {session: dict(seen) for session, seen in self._seen.get(key, {}).items()}

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: dict[str, Any] = json.loads(line)
            with self._changed:
                sessions = self._seen.setdefault(event["key"], {})
                sessions.setdefault(event["session"], {})[event["what"]] = event["at_ms"]
                self._changed.notify_all()
