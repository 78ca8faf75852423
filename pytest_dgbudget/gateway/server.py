"""The door: every connection to the gateway's port begins here, and is shown in or turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from websockets.datastructures import Headers
from websockets.http11 import Request as UpgradeRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.control import ControlConnection
from pytest_dgbudget.gateway.http import BadRequest, Request, RequestReader, refusal, response
from pytest_dgbudget.gateway.leases import BudgetRefused
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.gateway.run import TEST_IS_OVER, ClientLeft, GatewayLost, Run
from pytest_dgbudget.gateway.services.deepgram_agent import Conversation
from pytest_dgbudget.gateway.sessions import Cut, MeteredSession
from pytest_dgbudget.gateway.targets.emulator import EmulatorLost
from pytest_dgbudget.gateway.targets.live import Vendor
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost, Upstream, dial
from pytest_dgbudget.model import was_cut
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.codes import AGENT_PATH, CONTROL_PATH, CONTROL_UPGRADE
from pytest_dgbudget.rules.budget import describe

_HEAD_SECONDS = 10
_MOST_BEFORE_UPGRADE = 64 * 1024
# What is agreed on with the vendor, not here; either may come in several lines.
_NEGOTIATED = {"sec-websocket-extensions", "sec-websocket-protocol"}


class Services(Protocol):
    """What a visitor may ask for."""

    async def run(self) -> Run:
        """Return the run once the ledger is open; raises what kept it from opening."""
        ...

    async def vendor(self) -> Vendor:
        """Return where to dial once that is known; raises DialFailed."""
        ...


class ClientConnection(asyncio.Protocol):
    """One connection until its request is answered."""

    def __init__(
        self, services: Services, unauthenticated: UnauthenticatedConnections, control: Callable[[], ControlConnection]
    ) -> None:
        self._services = services
        self._unauthenticated = unauthenticated
        self._control = control
        self._reader = RequestReader()
        self._request: Request | None = None
        self._early = b""
        self._serving: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        loop = asyncio.get_running_loop()
        self._transport = transport
        self._gone: asyncio.Future[None] = loop.create_future()
        self._timer = loop.call_later(_HEAD_SECONDS, transport.abort)
        self._unauthenticated.enter(transport)

    def data_received(self, data: bytes) -> None:
        if self._request is not None:
            self._early += data
            if len(self._early) > _MOST_BEFORE_UPGRADE:
                self._transport.abort()
            return
        try:
            self._request = self._reader.feed(data)
        except BadRequest as error:
            self._answer(refusal(400, codes.BAD_REQUEST, f"not an HTTP request: {error}"))
            return
        if self._request is not None:
            self._timer.cancel()
            self._early = self._request.rest
            self._route(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._unauthenticated.leave(self._transport)
        if not self._gone.done():
            self._gone.set_result(None)

    def _answer(self, answer: bytes) -> None:
        self._timer.cancel()
        self._transport.write(answer)
        self._transport.close()

    def _route(self, request: Request) -> None:
        host, port = self._transport.get_extra_info("sockname")[:2]
        if request.header("host").lower() not in {f"{name}:{port}" for name in (host, "localhost", "127.0.0.1")}:
            self._answer(refusal(403, codes.WRONG_HOST, f"this is 127.0.0.1:{port}, not the host that was asked"))
        elif (request.path, request.upgrade) == (CONTROL_PATH, CONTROL_UPGRADE):
            control = self._control()
            self._transport.set_protocol(control)
            control.connection_made(self._transport)
            if self._early:
                control.data_received(self._early)
        elif (request.path, request.upgrade) == (AGENT_PATH, "websocket"):
            self._serving = asyncio.ensure_future(self._serve(request))
        else:
            message = f"nothing here; open a WebSocket at ws://127.0.0.1:{port}{AGENT_PATH}"
            self._answer(refusal(404, codes.NOT_FOUND, message))

    async def _serve(self, request: Request) -> None:
        try:
            await self._open(request)
        except _Unauthorized as unauthorized:
            self._answer(refusal(401, codes.UNAUTHORIZED, str(unauthorized)))
        except _NoHandshake as no_handshake:
            self._answer(no_handshake.response.serialize())
        except ClientLeft:
            self._answer(refusal(401, codes.UNAUTHORIZED, TEST_IS_OVER.reason))
        except BudgetRefused as refused:
            self._answer(refusal(402, codes.EXHAUSTED, describe(refused.overrun)))
        except Cut as cut:
            by_budget = was_cut(cut.closed_by)
            status, code = (402, codes.EXHAUSTED) if by_budget else (401, codes.UNAUTHORIZED)
            self._answer(refusal(status, code, cut.to_client.reason))
        except GatewayLost as charged:
            self._answer(refusal(402, codes.GATEWAY_LOST, str(charged)))
        except LedgerError as error:
            self._answer(refusal(503, codes.LEDGER, str(error)))
        except EmulatorLost as lost:
            self._answer(refusal(502, codes.EMULATOR, str(lost)))
        except DialLost as lost:
            message = f"the agent endpoint can't be reached: {lost.reason}"
            self._answer(refusal(lost.status, codes.UPSTREAM, message))
        except DialFailed as failed:
            self._answer(response(failed.status, failed.headers, failed.body))
        except Exception as error:
            log(error)
            self._answer(refusal(500, codes.INTERNAL, "the gateway failed; its log says more"))

    async def _open(self, request: Request) -> None:
        run = await self._services.run()
        token, subprotocols = _credentials(request)
        grant = await run.find(token)
        if grant is None:
            raise _Unauthorized("no such token; a test's comes from voice_agent.endpoint and ends with the test")
        self._unauthenticated.leave(self._transport)
        handshake = _handshake(request)
        vendor = await self._services.vendor()
        session = await run.open_session(grant, self._gone)
        dialling = dial(
            _with_query(vendor.url, request.query),
            headers=vendor.headers(request, grant),
            user_agent=request.header("user-agent") or None,
            subprotocols=subprotocols,
        )
        try:
            upstream = await session.dial(asyncio.ensure_future(dialling))
        except DialFailed as failed:
            raise vendor.without_key(failed) from None
        try:
            answer = _upgraded(request, handshake, upstream, session, vendor)
        except BaseException:
            session.drop(upstream)
            raise
        self._transport.write(answer)
        conversation = Conversation(run.tag, lambda request_id: run.welcomed(session, request_id))
        session.relay(self._transport, upstream, conversation, self._early)


class _Unauthorized(Exception):
    """No token, or one that means nothing."""


class _NoHandshake(Exception):
    """The upgrade is not as RFC 6455 has it; ``response`` says why."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def _credentials(request: Request) -> tuple[str, Sequence[str]]:
    """Return the token, as the vendor takes it by header or by subprotocol, and the other subprotocols."""
    subprotocols = [name.strip() for name in request.header("sec-websocket-protocol").split(",") if name.strip()]
    scheme, _, token = request.header("authorization").partition(" ")
    if scheme.lower() in {"token", "bearer"}:
        return token.strip(), subprotocols
    if len(subprotocols) >= 2 and subprotocols[0].lower() in {"token", "bearer"}:
        return subprotocols[1], subprotocols[2:]
    return "", subprotocols


def _handshake(request: Request) -> Response:
    """Return the 101 that the library would send; raises _NoHandshake."""
    protocol = ServerProtocol()
    if request.method != "GET":
        raise _NoHandshake(protocol.reject(405, "a WebSocket opens with GET\n"))
    headers = Headers((name, value) for name, value in request.headers if name not in _NEGOTIATED)
    handshake = protocol.accept(UpgradeRequest(request.path, headers))
    if handshake.status_code != 101:
        raise _NoHandshake(handshake)
    return handshake


def _upgraded(
    request: Request, handshake: Response, upstream: Upstream, session: MeteredSession, vendor: Vendor
) -> bytes:
    """Complete the 101: the vendor's own headers and the chosen subprotocol pass down."""
    for name, value in upstream.response.headers.raw_items():
        if name.lower().startswith("dg-") and name.isascii():
            # Not every release of the library can send back what it has read.
            handshake.headers[name] = vendor.hide_key(value).encode("ascii", "replace").decode()
    offered = request.header("sec-websocket-protocol").split(",")[0].strip()
    by_subprotocol = offered.lower() in {"token", "bearer"} and not request.header("authorization")
    chosen = upstream.subprotocol or (offered if by_subprotocol else None)
    if chosen is not None:
        handshake.headers["Sec-WebSocket-Protocol"] = chosen
    handshake.headers[codes.SESSION_HEADER] = session.id
    return handshake.serialize()
