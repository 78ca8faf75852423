"""The emulator as the gateway's child, tied to it by a pipe: it ends when the gateway does, however that is."""

from __future__ import annotations

import asyncio
import json
import sys

from pytest_dgbudget.gateway.launch import clean_environment
from pytest_dgbudget.gateway.upstream import DialLost

_PROGRAM = (
    "import sys; sys.path[:] = sys.path[sys.path[0] == '':]; "
    "from pytest_dgbudget.emulator import main; sys.exit(main(['--tied']))"
)
_START_SECONDS = 10


class Emulator:
    """A running emulator's URL and the only key that it takes."""

    def __init__(self, process: asyncio.subprocess.Process, agent_url: str, api_key: str) -> None:
        self._process = process
        self.agent_url = agent_url
        self.api_key = api_key

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 1)
        except (TimeoutError, asyncio.TimeoutError):
            self._process.kill()
            await self._process.wait()


async def start_emulator() -> Emulator:
    """Start it and wait for the line that says where it is; raises DialLost."""
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
        where = json.loads(line)
        return Emulator(process, where["agent_url"], where["api_key"])
    except (TimeoutError, asyncio.TimeoutError, ValueError, KeyError):
        process.kill()
        raise DialLost(502, "the emulator did not start; the gateway's log says more") from None
