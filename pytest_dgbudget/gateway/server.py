"""Every connection to the gateway's port begins here: its request is answered, refused, or relayed to a target."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from websockets.datastructures import Headers
from websockets.http11 import Request as UpgradeRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.bearers import ClientLeft, NoTest, SeveralTests
from pytest_dgbudget.gateway.control import ControlConnection
from pytest_dgbudget.gateway.http import BadRequest, Request, RequestReader, refusal
from pytest_dgbudget.gateway.leases import BudgetRefused
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.gateway.run import TEST_IS_OVER, GatewayLost, Run
from pytest_dgbudget.gateway.services.service import Credentials, Service
from pytest_dgbudget.gateway.sessions import Cut
from pytest_dgbudget.gateway.targets.target import Target, TargetLost
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost, Upstream
from pytest_dgbudget.model import OtherTarget, was_cut
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.answers import NO_TEST, response
from pytest_dgbudget.protocol.codes import CONTROL_PATH, CONTROL_UPGRADE
from pytest_dgbudget.rules.budget import describe

_HEAD_SECONDS = 10
_MOST_BEFORE_UPGRADE = 64 * 1024
_SEVERAL_TESTS = (
    "several tests are running at once in the process that this token belongs to: give the application a test's own "
    "token, voice_agent.endpoint.api_key"
)
# What is agreed on with the vendor, not here; either may come in several lines.
_NEGOTIATED = {"sec-websocket-extensions", "sec-websocket-protocol"}


class ClientConnection(asyncio.Protocol):
    """One connection until its request is answered.

    ``run`` returns the run once the ledger is open, and raises what kept it from opening. ``target`` returns where an
    attempt is dialled, once that is known; raises TargetLost. ``control`` is None where no owner may come.
    """

    def __init__(
        self,
        services: Sequence[Service],
        run: Callable[[], Awaitable[Run]],
        target: Callable[[OtherTarget | None], Awaitable[Target]],
        unauthenticated: UnauthenticatedConnections,
        control: Callable[[], ControlConnection] | None,
    ) -> None:
        self._services = {path: service for service in services for path in service.paths}
        self._run = run
        self._target = target
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
        elif self._control is not None and (request.path, request.upgrade) == (CONTROL_PATH, CONTROL_UPGRADE):
            control = self._control()
            self._transport.set_protocol(control)
            control.connection_made(self._transport)
            if self._early:
                control.data_received(self._early)
        elif request.path in self._services and request.upgrade == "websocket":
            self._serving = asyncio.ensure_future(self._serve(self._services[request.path], request))
        else:
            served = " or ".join(f"ws://127.0.0.1:{port}{path}" for path in self._services)
            self._answer(refusal(404, codes.NOT_FOUND, f"nothing here; open a WebSocket at {served}"))

    async def _serve(self, service: Service, request: Request) -> None:
        try:
            await self._open(service, request)
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
        except NoTest:
            self._answer(refusal(403, codes.NO_TEST, NO_TEST))
        except SeveralTests:
            self._answer(refusal(409, codes.AMBIGUOUS, _SEVERAL_TESTS))
        except GatewayLost as charged:
            self._answer(refusal(402, codes.GATEWAY_LOST, str(charged)))
        except LedgerError as error:
            self._answer(refusal(503, codes.LEDGER, str(error)))
        except TargetLost as lost:
            self._answer(refusal(502, lost.code, str(lost)))
        except DialLost as lost:
            message = f"the agent endpoint can't be reached: {lost.reason}"
            self._answer(refusal(lost.status, lost.code, message))
        except DialFailed as failed:
            self._answer(response(failed.status, failed.headers, failed.body))
        except Exception as error:
            log(error)
            self._answer(refusal(500, codes.INTERNAL, "the gateway failed; its log says more"))

    async def _open(self, service: Service, request: Request) -> None:
        run = await self._run()
        credentials = service.credentials(request)
        bearer = await run.bearers.find(credentials.token)
        if bearer is None:
            raise _Unauthorized("no such token; a test's comes from voice_agent.endpoint and ends with the test")
        self._unauthenticated.leave(self._transport)
        handshake = _handshake(request)
        grant = await run.bearers.grant_of(bearer, self._gone)
        target = await self._target(grant.attempt.target)
        session = await run.open_session(grant, service, self._gone, by_process_token=bearer is not grant)
        dialling = target.dial(service, request, credentials.subprotocols, grant)
        upstream = await session.dial(asyncio.ensure_future(dialling))
        try:
            _complete(handshake, service, credentials, upstream)
            handshake.headers[codes.SESSION_HEADER] = session.id
            answer = handshake.serialize()
        except BaseException:
            session.drop(upstream)
            raise
        self._transport.write(answer)
        session.relay(self._transport, upstream, self._early)


class _Unauthorized(Exception):
    """No token, or one that means nothing."""


class _NoHandshake(Exception):
    """The upgrade is not as RFC 6455 has it; ``response`` says why."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


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


def _complete(handshake: Response, service: Service, credentials: Credentials, upstream: Upstream) -> None:
    """Add to the 101 what passes down of the target's own: some headers, and the chosen subprotocol."""
    for name, value in upstream.headers:
        if service.passes_down(name.lower()) and name.isascii():
            # Not every release of the library can send back what it has read.
            handshake.headers[name] = value.encode("ascii", "replace").decode()
    chosen = upstream.subprotocol or credentials.chosen
    if chosen is not None:
        handshake.headers["Sec-WebSocket-Protocol"] = chosen
