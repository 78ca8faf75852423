"""The emulator as the gateway's child, tied to it by a pipe: it ends when the gateway does, however that is."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping

from pytest_dgbudget.processes import clean_environment

_PROGRAM = (
    "import sys; sys.path[:] = sys.path[sys.path[0] == '':]; "
    "from pytest_dgbudget.emulator import main; sys.exit(main(['--tied']))"
)
_START_SECONDS = 10


class EmulatorLost(Exception):
    """There is no emulator, or none any more."""


class EmulatorProcess:
    """A running emulator: its two URLs, its one project and the only key that it takes."""

    def __init__(self, process: asyncio.subprocess.Process, where: Mapping[str, str]) -> None:
        self._process = process
        self.agent_url = where["agent_url"]
        self.api_url = where["api_url"]
        self.api_key = where["api_key"]
        self.project_id = where["project_id"]

    def check(self) -> None:
        """Raise EmulatorLost when it has ended."""
        status = self._process.returncode
        if status is not None:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise EmulatorLost(f"the emulator of this run has ended ({how}); the next run starts another one")

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 1)
        except (TimeoutError, asyncio.TimeoutError):
            self._process.kill()
            await self._process.wait()


async def start_emulator() -> EmulatorProcess:
    """Start it and wait for the line that says where it is; raises EmulatorLost."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        return EmulatorProcess(process, json.loads(line))
    except (TimeoutError, asyncio.TimeoutError, ValueError, KeyError, TypeError):
        process.kill()
        raise EmulatorLost("the emulator did not start; the gateway's log says more") from None
