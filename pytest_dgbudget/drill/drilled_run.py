"""One pytest that is drilled: in a folder and a process group of its own, with a key that only the stand-in knows."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pytest_dgbudget.credentials import EMULATOR_KEY_PREFIX
from pytest_dgbudget.drill.machine import gateways_of, is_running
from pytest_dgbudget.drill.measure import SeenSession
from pytest_dgbudget.drill.stand_in_process import DrillFailed, StandIn
from pytest_dgbudget.processes import Interpreter

PROJECTS = Path(__file__).parent / "projects"

# How long a machine that has much else to do may take for each step.
_READY_SECONDS = 30.0
_END_SECONDS = 15.0
_LAST_LINES = 15
# Neither another pytest's settings nor a way around loopback, and no file of a CI's that reports are added to.
_SCRUBBED = ("DEEPGRAM_", "DG_", "DGBUDGET_", "PYTEST_", "GITHUB_", "PYTHONBREAKPOINT")


class DrilledRun:
    """``over_ms`` has, for sessions that had to be closed at some instant, which one it was."""

    def __init__(self, name: str, folder: Path, stand_in: StandIn) -> None:
        self.folder = folder
        self.over_ms: dict[str, int] = {}
        self._stand_in = stand_in
        self._key = f"{EMULATOR_KEY_PREFIX}{name}"
        self._gateways: set[int] = set()

    def start(
        self, project: str, budget_ms: int, options: Collection[str], *, port: int, interpreter: Interpreter
    ) -> None:
        """Start pytest on one of the projects; its sessions are dialled at ``port`` as in a live run."""
        self.folder.mkdir()
        for name in ("conftest.py", project):
            shutil.copy(PROJECTS / name, self.folder)
        (self.folder / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [interpreter.executable, "-m", "pytest", *_options(budget_ms), *options],
                cwd=self.folder,
                env=self._environment(interpreter, port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _environment(self, interpreter: Interpreter, port: int) -> dict[str, str]:
        kept = {name: value for name, value in interpreter.environment.items() if not _is_scrubbed(name)}
        return {
            **kept,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "TMPDIR": str(self.folder),
            "DEEPGRAM_API_KEY": self._key,
            "DG_AGENT_URL": self._stand_in.agent_url(port),
            "DG_API_URL": f"http://127.0.0.1:{port}",
        }

    # What the drills wait for --------------------------------------------------------------------------------------

    def wait_open(self, count: int) -> None:
        """Wait until so many sessions are open and have their Settings."""
        if not self._wait(lambda: self._is_open(count) or self._has_ended(), _READY_SECONDS):
            raise DrillFailed(f"no session was open after {_READY_SECONDS:.0f} s; {self._output()}")
        if not self._wait(lambda: self._is_open(count), 1):  # what it did last may not be noted yet
            raise DrillFailed(f"pytest ended before it had opened its session; {self._output()}")

    def _is_open(self, count: int) -> bool:
        if not self._gateways:  # looked for while pytest lives, which may end as soon as its session is open
            self.find_gateway()
        return len(self.sessions) >= count

    def wait_closed(self, sessions: list[str], seconds: float) -> None:
        """Wait until these are closed; after so long they are still open, which the figures will show."""
        self._wait(lambda: self._stand_in.is_closed(self._key, sessions), seconds)

    def wait_ended(self) -> None:
        """Wait until pytest ends by itself; it may hang, as everything here may."""
        self._wait(self._has_ended, _READY_SECONDS)

    def wait_replaced(self) -> None:
        """Wait until it has another gateway, in the place of one that was killed."""
        self._wait(lambda: self.find_gateway() or self._has_ended(), _READY_SECONDS)

    def wait_process_noted(self) -> tuple[int, str]:
        """Return a process with a test, and the session that it has opened."""
        if not self._wait(lambda: any(self.folder.glob("pid-*")), _READY_SECONDS):
            raise DrillFailed(f"no process with a test was seen; {self._output()}")
        path = next(self.folder.glob("pid-*"))
        return int(path.name.removeprefix("pid-")), path.read_text(encoding="ascii")

    def _wait(self, happened: Callable[[], bool], seconds: float) -> bool:
        return self._stand_in.wait(happened, seconds)

    def _has_ended(self) -> bool:
        return self.process.poll() is not None

    # What is done to it --------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> list[str]:
        return self._stand_in.ready(self._key)

    def kill(self, pid: int, sessions: Collection[str]) -> None:
        """Kill one of its processes, from which instant on these sessions must not be open."""
        at_ms = int(time.monotonic() * 1000)
        os.kill(pid, signal.SIGKILL)
        self._over(at_ms, sessions)

    def find_gateway(self) -> bool:
        """Take note of the gateway that serves it now; return whether it is one more."""
        found = set(gateways_of(self.process.pid)) - self._gateways
        self._gateways |= found
        return bool(found)

    def gateway(self) -> int:
        if not self._gateways:
            raise DrillFailed("the gateway's process was not found among the children of pytest")
        return next(iter(self._gateways))

    def _over(self, at_ms: int, sessions: Collection[str]) -> None:
        for session in sessions:
            self.over_ms.setdefault(session, at_ms)

    # Its end -------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Kill what is left of it, and wait for its gateway, which ends by itself; then nothing of it runs."""
        self.find_gateway()
        self._over(int(time.monotonic() * 1000), self._stand_in.open(self._key))
        _kill_group(self.process.pid)
        self.process.wait()
        self._wait_for_gateways()
        self._take_notes()

    def _take_notes(self) -> None:
        """If its test noted when it was over, that is the instant for all its sessions."""
        note = self.folder / "over"
        if note.exists():
            self.over_ms = dict.fromkeys(self.sessions, int(note.read_text(encoding="ascii")))

    def _wait_for_gateways(self) -> None:
        """Until they have removed their lock: what serves a run is not always known by its process."""
        until = time.monotonic() + _END_SECONDS
        while (self._has_lock() or self._running_gateways()) and time.monotonic() < until:
            time.sleep(0.01)
        for pid in self._running_gateways():
            os.kill(pid, signal.SIGKILL)

    def _has_lock(self) -> bool:
        return any((self.folder / ".dgbudget").glob("run-*.lock"))

    def _running_gateways(self) -> list[int]:
        return [pid for pid in self._gateways if is_running(pid)]

    def metered(self) -> list[SeenSession]:
        """Return every session of this run, as it was metered, once all are closed."""
        if not self._wait(lambda: not self._stand_in.open(self._key), _END_SECONDS):
            raise DrillFailed("sessions are still open although their gateway has ended: another process holds them")
        return self._stand_in.metered(self._key)

    def usage(self) -> dict[str, Any]:
        """Return its usage.json, in which the gateway says what the ledger has charged."""
        try:
            document: dict[str, Any] = json.loads((self.folder / ".dgbudget/report/usage.json").read_bytes())
        except (OSError, ValueError) as error:
            raise DrillFailed(f"no report says what was charged ({error}); {self._output()}") from error
        return document

    def _output(self) -> str:
        lines = (self.folder / "output").read_text(encoding="utf-8", errors="replace").splitlines()
        return "pytest wrote:\n" + "\n".join(lines[-_LAST_LINES:])


def _options(budget_ms: int) -> list[str]:
    return [
        *("-c", "pytest.ini", "--rootdir=.", "-p", "no:cacheprovider", "-p", "dgbudget"),
        *("--dg-target=live", "--dg-budget=10m", f"--dg-test-budget={budget_ms}ms"),
        *("--dg-reconcile=off", "--dg-idle-timeout=off"),
    ]


def _is_scrubbed(name: str) -> bool:
    return name.startswith(_SCRUBBED) or name.lower().endswith("_proxy")


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
