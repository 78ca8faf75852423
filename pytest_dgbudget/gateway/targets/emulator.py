"""The emulator as the gateway's child, tied to it by a pipe: it ends when the gateway does, however that is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from pytest_dgbudget.errors import GatewayError, SettingsError
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.services.service import Service
from pytest_dgbudget.gateway.targets.target import Addresses, TargetLost
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.codes import EMULATOR, GRANT_HEADER, SCENARIO_HEADER

_START_SECONDS = 10
_ANSWER_SECONDS = 10

# Where the emulator's own API is.
_PREFIX = "/emulator/v1"


class EmulatorLost(TargetLost):
    """There is no emulator, or none any more."""

    code = EMULATOR


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

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call its own API for a test, which never sees the key, and return the document.

        Raises SettingsError for what the emulator calls wrong, and GatewayError.
        """
        status, document = await asyncio.to_thread(self._exchange, method, path, body)
        if status == 200:
            return document
        raise (SettingsError if status == 422 else GatewayError)(str(document["err_msg"]))

    def _exchange(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        from http.client import HTTPConnection, HTTPException  # here: few gateways need it

        url = urlsplit(self.api_url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=_ANSWER_SECONDS)
        headers = {"Authorization": f"Token {self.api_key}", "Content-Type": "application/json"}
        try:
            connection.request(method, _PREFIX + path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.load(response)
        except (OSError, ValueError, HTTPException) as error:
            raise GatewayError(f"the emulator can't be asked: {type(error).__name__}: {error}") from None
        finally:
            connection.close()

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 1)
        except (TimeoutError, asyncio.TimeoutError):
            self._process.kill()
            await self._process.wait()


class EmulatorTarget:
    """The emulator of this run; each dial names its grant and the scenario to play."""

    def __init__(self, process: EmulatorProcess) -> None:
        self.process = process
        self.access = ApiAccess(api_url=process.api_url, project=process.project_id, key=process.api_key)
        self._addresses = Addresses({DeepgramAgent.name: process.agent_url}, process.api_key)

    async def dial(self, service: Service, request: Request, subprotocols: Sequence[str], grant: Grant) -> Upstream:
        return await self._addresses.dial(service, request, subprotocols, _named(grant))

    async def stop(self) -> None:
        await self.process.stop()


def _named(grant: Grant) -> dict[str, str]:
    named = {GRANT_HEADER: grant.attempt.id}
    if grant.asked.scenario is not None:
        named[SCENARIO_HEADER] = quote(grant.asked.scenario)
    return named


async def start_emulator() -> EmulatorProcess:
    """Start it and wait for the line that says where it is; raises EmulatorLost."""
    interpreter = Interpreter.of_this_process()
    process = await asyncio.create_subprocess_exec(
        *interpreter.command("emulator", '["--tied"]'),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=interpreter.environment,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        return EmulatorProcess(process, json.loads(line))
    except (TimeoutError, asyncio.TimeoutError, ValueError, KeyError, TypeError):
        process.kill()
        raise EmulatorLost("the emulator did not start; the gateway's log says more") from None
