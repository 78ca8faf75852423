"""The emulator as the gateway's child, tied to it by a pipe: it ends when the gateway does, however that is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlsplit

from pytest_dgbudget.errors import GatewayError, SettingsError
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.run_keys import RunKey
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.services.service import AskSkipped, Service
from pytest_dgbudget.gateway.targets.target import Addresses, TargetLost
from pytest_dgbudget.gateway.upstream import DialLost, Upstream
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.codes import EMULATOR, GRANT_HEADER, PACE_HEADER, SCENARIO_HEADER
from pytest_dgbudget.protocol.operations import CallEmulator

_START_SECONDS = 10
_ANSWER_SECONDS = 10
# A dial that fails because the emulator is dying is a little earlier than the news of its end.
_END_SECONDS = 1
# The record of a session waits no longer for what it has skipped.
_SKIPPED_SECONDS = 1
_LONGEST_LINE = 2**20  # bytes; none of the emulator is as long

# Where the emulator's own API is.
_PREFIX = "/emulator/v1"


class EmulatorLost(TargetLost):
    """There is no emulator, or none any more."""

    code = EMULATOR


class EmulatorProcess:
    """A running emulator: its two URLs, its one project and the only key that it takes."""

    def __init__(self, process: asyncio.subprocess.Process, where: Mapping[str, str]) -> None:
        self._process = process
        self._bill: dict[str, Any] = {}
        self._died_at: datetime | None = None
        self._keeping_bill: asyncio.Future[None] | None = None
        # By attempt: whether it knows what its test has set.
        self._told: dict[str, asyncio.Future[None]] = {}
        self.agent_url = where["agent_url"]
        self.api_url = where["api_url"]
        self.api_key = where["api_key"]
        self.project_id = where["project_id"]

    @property
    def how_ended(self) -> str | None:
        """How it has ended; None while it runs."""
        status = self._process.returncode
        if status is None:
            return None
        return f"signal {-status}" if status < 0 else f"status {status}"

    async def ends_soon(self) -> bool:
        """Return whether it has ended, or is seen to end within a second."""
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        return self.how_ended is not None

    async def left(self) -> str:
        """Return what the emulator needs to know that continues in its place, as one line."""
        if self._keeping_bill is not None:
            await asyncio.wait([self._keeping_bill], timeout=_ANSWER_SECONDS)
        return json.dumps(
            {
                "port": urlsplit(self.agent_url).port,
                "project_id": self.project_id,
                "api_key": self.api_key,
                "died_at": (self._died_at or datetime.now(timezone.utc)).isoformat(),
                "sessions": list(self._bill.values()),
            }
        )

    def keep_bill(self) -> None:
        """From now on, keep the last line that it writes of each session."""
        self._keeping_bill = asyncio.ensure_future(self._keep_bill())

    async def _keep_bill(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        line = b"..."
        while line:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # a line too long for us, or its rest
                line = await stdout.readline()
                session = json.loads(line)
                self._bill[session["request_id"]] = session
        self._died_at = datetime.now(timezone.utc)

    async def ask(self, method: str, path: str, body: Any = None, *, timeout: float = _ANSWER_SECONDS) -> Any:
        """Call its own API for a test, which never sees the key, and return the document.

        ``timeout`` is in seconds, for each step of the exchange. Raises SettingsError for what the emulator calls
        wrong, and GatewayError.
        """
        status, document = await asyncio.to_thread(self._exchange, method, path, body, timeout)
        if status == 200:
            return document
        raise (SettingsError if status == 422 else GatewayError)(str(document["err_msg"]))

    async def call(self, asked: CallEmulator) -> Any:
        """Call its own API for an attempt; raises as ``ask`` does."""
        path = f"/grants/{quote(asked.attempt, safe='')}/{quote(asked.what, safe='')}"
        return await self.ask(asked.method, path, asked.body)

    async def tell(self, grant: Grant) -> None:
        """Tell it, once, what a grant's test has set at the emulator before it; raises GatewayError."""
        attempt = grant.attempt.id
        if attempt not in self._told:
            self._told[attempt] = asyncio.ensure_future(self._repeat(grant.emulator_calls))
        await asyncio.shield(self._told[attempt])

    async def _repeat(self, calls: Sequence[CallEmulator]) -> None:
        try:
            for call in calls:
                await self.call(call)
        except SettingsError as error:
            raise GatewayError(f"a new emulator does not take what this test has set: {error}") from None

    def _exchange(self, method: str, path: str, body: Any, timeout: float) -> tuple[int, Any]:
        from http.client import HTTPConnection, HTTPException  # here: few gateways need it

        url = urlsplit(self.api_url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=timeout)
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
    """The emulator of this run; each dial names its grant and the scenario to play.

    ``running`` returns the one that runs once this one has ended; it raises TargetLost.
    """

    def __init__(self, process: EmulatorProcess, running: Callable[[], Awaitable[EmulatorTarget]]) -> None:
        self.process = process
        self._running = running
        self.access = ApiAccess(api_url=process.api_url, project=process.project_id, key=process.api_key)
        self._addresses = Addresses({DeepgramAgent.name: process.agent_url}, process.api_key)

    async def dial(
        self,
        service: Service,
        request: Request,
        subprotocols: Sequence[str],
        grant: Grant,
        run_key: RunKey | None = None,
    ) -> Upstream:
        """Open a session here or, where this emulator turns out to have ended, at the one in its place."""
        await self._tell(grant)
        try:
            return await self._addresses.dial(service, request, subprotocols, _named(grant))
        except DialLost:
            if not await self.process.ends_soon():
                raise
        successor = await self._successor()
        return await successor.dial(service, request, subprotocols, grant)

    async def _tell(self, grant: Grant) -> None:
        try:
            if grant.emulator_calls:
                await self.process.tell(grant)
        except GatewayError as error:
            raise DialLost(502, str(error)) from None

    async def _successor(self) -> EmulatorTarget:
        try:
            return await self._running()
        except TargetLost as lost:
            raise DialLost(502, str(lost), lost.code) from None

    def ask_skipped(self, grant: Grant) -> AskSkipped | None:
        return self._skipped_ms if grant.asked.pace == "max" else _nothing_skipped

    async def _skipped_ms(self, request_id: str) -> int | None:
        """Ask the emulator, which knows it to the end of a session and after it."""
        try:
            question = self.process.ask("GET", f"/sessions/{quote(request_id, safe='')}", timeout=_SKIPPED_SECONDS)
            answer = await asyncio.wait_for(question, _SKIPPED_SECONDS)
            return round(float(answer["skipped_seconds"]) * 1000)
        except (GatewayError, SettingsError, TimeoutError, asyncio.TimeoutError):
            return None

    async def stop(self) -> None:
        await self.process.stop()


async def _nothing_skipped(_request_id: str) -> int | None:
    return 0


def _named(grant: Grant) -> dict[str, str]:
    named = {GRANT_HEADER: grant.attempt.id, PACE_HEADER: grant.asked.pace}
    if grant.asked.scenario is not None:
        named[SCENARIO_HEADER] = quote(grant.asked.scenario)
    return named


async def start_emulator(before: EmulatorProcess | None = None) -> EmulatorProcess:
    """Start it and wait for the line that says where it is; raises EmulatorLost.

    It continues for the one ``before``, which has ended.
    """
    interpreter = Interpreter.of_this_process()
    left = None if before is None else await before.left()
    process = await asyncio.create_subprocess_exec(
        *interpreter.command("emulator", json.dumps(["--tied", "--write-bill", *(["--continue"] if left else [])])),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=interpreter.environment,
        limit=_LONGEST_LINE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if left is not None:
            process.stdin.write(left.encode() + b"\n")
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        emulator = EmulatorProcess(process, json.loads(line))
    except (TimeoutError, asyncio.TimeoutError, ValueError, KeyError, TypeError):
        process.kill()
        raise EmulatorLost("the emulator did not start; the gateway's log says more") from None
    emulator.keep_bill()
    return emulator
