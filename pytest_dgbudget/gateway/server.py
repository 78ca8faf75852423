"""Every connection to the gateway's port begins here: its request's head is read, and handed on or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from pytest_dgbudget.gateway.control import ControlConnection
from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.hosts import AllowedHosts
from pytest_dgbudget.gateway.http import BadRequest, Request, RequestReader, refusal
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.routes.router import Router
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.codes import CONTROL_PATH, CONTROL_UPGRADE

_HEAD_SECONDS = 10


class ClientConnection(asyncio.Protocol):
    """One connection until its request is answered. ``control`` is None where no owner may come."""

    def __init__(
        self,
        router: Router,
        hosts: AllowedHosts,
        unauthenticated: UnauthenticatedConnections,
        control: Callable[[], ControlConnection] | None,
    ) -> None:
        self._router = router
        self._hosts = hosts
        self._unauthenticated = unauthenticated
        self._control = control
        self._reader = RequestReader()
        self._exchange: Exchange | None = None
        self._serving: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        loop = asyncio.get_running_loop()
        self._transport = transport
        self._gone: asyncio.Future[None] = loop.create_future()
        self._gone.add_done_callback(lambda _: self._unauthenticated.leave(transport))
        self._timer = loop.call_later(_HEAD_SECONDS, transport.abort)
        self._unauthenticated.enter(transport)

    def data_received(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.received(data)
            return
        try:
            request = self._reader.feed(data)
        except BadRequest as error:
            self._refuse(refusal(400, codes.BAD_REQUEST, f"not an HTTP request: {error}"))
            return
        if request is not None:
            self._timer.cancel()
            self._route(request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        if not self._gone.done():
            self._gone.set_result(None)

    def _refuse(self, answer: bytes) -> None:
        self._timer.cancel()
        self._transport.write(answer)
        self._transport.close()

    def _route(self, request: Request) -> None:
        address, port = self._transport.get_extra_info("sockname")[:2]
        is_ours = self._hosts.accepts(request.header("host"), address, port)
        wants_control = (request.path, request.upgrade) == (CONTROL_PATH, CONTROL_UPGRADE)
        if is_ours and wants_control and self._control is not None:
            control = self._control()
            self._transport.set_protocol(control)
            control.connection_made(self._transport)
            if request.rest:
                control.data_received(request.rest)
            return
        identified = partial(self._unauthenticated.leave, self._transport)
        self._exchange = exchange = Exchange(request, self._reader.http, self._transport, self._gone, identified)
        serving = self._router.serve(exchange) if is_ours else self._router.refuse(exchange, _wrong_host(address, port))
        self._serving = asyncio.ensure_future(serving)


def _wrong_host(address: str, port: int) -> RequestRefused:
    message = f"this is {address}:{port}, not the host that was asked: name that one in dg_allowed_hosts"
    return RequestRefused(403, codes.WRONG_HOST, message)
