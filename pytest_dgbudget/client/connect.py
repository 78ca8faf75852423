"""Open a session through the gateway; turn a refusal or a close into the error that users see."""

from __future__ import annotations

import logging
import re
from asyncio.tasks import sleep
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from pytest_dgbudget.client.backoff import Backoff
from pytest_dgbudget.client.endpoint import Endpoint
from pytest_dgbudget.client.session_io import SessionIO
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.control.connection import GONE, dial
from pytest_dgbudget.errors import (
    CassetteError,
    DgBudgetError,
    GatewayError,
    HandshakeRefused,
    LedgerError,
    SessionClosed,
    SettingsError,
)
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.operations import GetVerdict
from pytest_dgbudget.rules.budget import overrun_error
from pytest_dgbudget.rules.mismatches import mismatch_error
from pytest_dgbudget.rules.refusals import advised, read_error
from pytest_dgbudget.rules.vendor_messages import writable

# The gateway answers a Close once the vendor has, or after a second.
_CLOSE_SECONDS = 5

_CLOSED_BY: dict[int, ClosedBy] = {codes.IDLE: "idle", codes.TEST_OVER: "teardown", codes.UPSTREAM_LOST: "network"}


def _logger() -> logging.Logger:
    """Our client's own: a test that asks for everybody's DEBUG gets that of the code under test, and never a token."""
    logger = logging.getLogger("pytest_dgbudget.client")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    logger.addFilter(lambda record: "Authorization" not in (record.args or ()))
    return logger


_LOG = _logger()


# RFC 9110, sections 5.1 and 5.5.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# What the connection itself needs.
_OURS = frozenset({"authorization", "connection", "host", "upgrade"})


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return request headers as they are; raises SettingsError for what can't be one."""
    if not isinstance(headers, Mapping):
        raise SettingsError(f"headers={headers!r} is no mapping of names to values")
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SettingsError(f"{name!r} can't be the name of a request header")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise SettingsError(f"the value of the request header {name} has characters that no header can have")
        if name.lower() in _OURS or name.lower().startswith("sec-websocket-"):
            raise SettingsError(f"the request header {name} is set by voice_agent itself; leave it out")
    return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is needed to open sessions of one attempt. Its coroutines run on the I/O thread.

    ``skips_time`` and ``is_emulated`` are those of SessionIO, unless a session is replayed.
    """

    gateway: GatewayClient
    endpoint: Endpoint
    attempt: str
    nodeid: str
    skips_time: bool
    is_emulated: bool

    async def open(self, settings: Mapping[str, Any], headers: Mapping[str, str]) -> SessionIO:
        """Return a session that is ready to talk, or raise what prevented that, with nothing left open."""
        io = await self._dial(settings, headers)
        try:
            await io.begin()
        except BaseException:
            await io.close()
            raise
        return io

    async def _dial(self, settings: Mapping[str, Any], headers: Mapping[str, str]) -> SessionIO:
        await self.gateway.membership.control()  # where there is none, nobody would ever answer
        backoff = Backoff()
        while True:
            try:
                websocket = await self._connect(headers)
                break
            except InvalidStatus as refused:
                pause = _pause(backoff, refused.response)
                if pause is None:
                    raise await self._why_refused(refused.response) from None
            except (OSError, EOFError, InvalidHandshake) as error:
                raise GatewayError(GONE) from error
            await sleep(pause)
        answered = Headers() if websocket.response is None else websocket.response.headers
        replayed_at = answered.get(codes.REPLAY_HEADER)
        io = SessionIO(
            websocket,
            answered.get(codes.SESSION_HEADER, ""),
            settings,
            lambda closed: self._why_closed(io, closed),
            skips_time=self.skips_time if replayed_at is None else replayed_at == "max",
            is_emulated=self.is_emulated,
            is_replayed=replayed_at is not None,
        )
        return io

    async def _connect(self, headers: Mapping[str, str]) -> ClientConnection:
        return await connect(
            self.endpoint.agent_url,
            sock=await dial(self.gateway.port),
            additional_headers={**headers, "Authorization": f"Token {self.endpoint.api_key}"},
            compression=None,
            proxy=None,
            open_timeout=None,
            close_timeout=_CLOSE_SECONDS,
            ping_interval=None,
            max_size=None,
            max_queue=None,
            logger=_LOG,
        )

    async def _why_refused(self, response: Response) -> DgBudgetError:
        status, error = response.status_code, read_error(bytes(response.body or b""))
        said = error.message or writable(response.reason_phrase)
        request_id = error.request_id or _request_id_in(response)
        if error.code == codes.EXHAUSTED:
            return await self._overrun() or HandshakeRefused(
                said, status=402, code=error.code, vendor_message=said, request_id=request_id
            )
        if error.code == codes.IDLE_AGAIN:
            return HandshakeRefused(said, status=status, code=error.code, vendor_message=said, request_id=request_id)
        if error.code == codes.LEDGER:
            return LedgerError(said)
        if error.code == codes.NO_CASSETTE:
            return CassetteError(said)
        if error.code == codes.MISMATCH:
            return await self._mismatch() or CassetteError(said)
        if error.code.startswith(codes.REFUSAL_PREFIX) and error.code != codes.UPSTREAM:
            return GatewayError(f"the gateway refused the session: {said}")
        message = f"the handshake was refused with {status} {error.code}: {advised(status, error.code, said)}"
        return HandshakeRefused(message, status=status, code=error.code, vendor_message=said, request_id=request_id)

    async def _why_closed(self, io: SessionIO, closed: ConnectionClosed) -> DgBudgetError:
        if closed.rcvd is None:
            lost = SessionClosed("the connection was lost without a Close", code=1006, reason="", closed_by="network")
            return await self._overrun() or lost
        code, reason = closed.rcvd.code, closed.rcvd.reason
        if code == codes.BUDGET_USED_UP:
            return await self._overrun() or SessionClosed(reason, code=code, reason=reason, closed_by="test-budget")
        if code == codes.CASSETTE_MISMATCH and (mismatch := await self._mismatch()) is not None:
            return mismatch
        closed_by: ClosedBy = "client" if closed.rcvd_then_sent is False else _CLOSED_BY.get(code, "server")
        said = f"{code} {reason}".strip()
        error = io.received.last_error()
        before = f" after an Error {error.code}: {error.description}" if error else ""
        return SessionClosed(
            f"the session was closed ({closed_by}: {said}){before}", code=code, reason=reason, closed_by=closed_by
        )

    async def _mismatch(self) -> DgBudgetError | None:
        """Return the error for what this test sent that its cassette has not."""
        try:
            verdict = await self.gateway.membership.ask(GetVerdict(attempt=self.attempt))
        except GatewayError as error:
            return error
        return mismatch_error(verdict.mismatches[-1], self.nodeid) if verdict.mismatches else None

    async def _overrun(self) -> DgBudgetError | None:
        """Return the error for an overrun of this test, or for the death of its gateway."""
        try:
            verdict = await self.gateway.membership.ask(GetVerdict(attempt=self.attempt))
        except GatewayError as error:
            return error
        if verdict.gateway_lost is not None:
            return GatewayError(verdict.gateway_lost)
        return overrun_error(verdict.overruns[-1]) if verdict.overruns else None


def _pause(backoff: Backoff, response: Response) -> float | None:
    """Return how long to wait for a place at the vendor; None where there is nothing to wait for any more."""
    if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    retry_after, date = (next(iter(response.headers.get_all(name)), "") for name in ("Retry-After", "Date"))
    return backoff.pause(retry_after, date)


def _request_id_in(response: Response) -> str | None:
    return next(map(writable, response.headers.get_all("dg-request-id")), None)
