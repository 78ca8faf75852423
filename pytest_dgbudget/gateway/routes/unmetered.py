"""What dg_pass_other passes on to the vendor with the real key, whatever the target: counted, never metered."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.credentials import is_deepgrams_key
from pytest_dgbudget.gateway.clock import metering_loop
from pytest_dgbudget.gateway.credentials import Credentials
from pytest_dgbudget.gateway.events import Events, RequestPassed, SocketPassed
from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.passing.dial import open_stream
from pytest_dgbudget.gateway.passing.request import Passage, pass_request
from pytest_dgbudget.gateway.passing.socket import PassedSocket, pass_socket
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.routes.cors import cors_headers
from pytest_dgbudget.gateway.routes.paths import VendorPath
from pytest_dgbudget.gateway.routes.vendor_hosts import VendorHosts
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.protocol import codes

_NOT_METERED = (
    "only Voice Agent sessions are metered, so this is not passed on: dg_pass_other = true in the ini file passes it "
    "to Deepgram unmetered, with the real key; dg_keep_key = true leaves the key to the code under test"
)
_NO_KEY = "dg_pass_other is set, but this run has no key of Deepgram's to pass it on with: set DEEPGRAM_API_KEY"
_OTHER_KEY = (
    "dg_pass_other is set, but the agent URL is not Deepgram's own, and so perhaps not the key: name the API with "
    "--dg-api-url"
)
_AGENT = "sessions of the agent are opened at /v1/agent/converse"


def unmetered_of(run_config: RunConfig, api_key: str | None, events: Events) -> Unmetered:
    """Return what a run passes on; in other than live runs, a key counts that has the shape of Deepgram's."""
    key = api_key if api_key and (run_config.is_live or is_deepgrams_key(api_key)) else None
    hosts = VendorHosts(run_config.agent_url, run_config.api_url)
    return Unmetered(hosts, key, events, allowed=run_config.pass_other)


class Unmetered:
    """Requests and sockets that go on to the vendor. ``key`` is the real one, None without one.

    ``allowed``: dg_pass_other is set.
    """

    def __init__(self, hosts: VendorHosts, key: str | None, events: Events, *, allowed: bool) -> None:
        self.hosts = hosts
        self._key = key
        self._events = events
        self.allowed = allowed
        self._requests: set[asyncio.Task[None]] = set()
        self._sockets: set[PassedSocket] = set()

    async def pass_request(self, exchange: Exchange, asked: VendorPath, credentials: Credentials) -> None:
        """Pass a request on; raises RequestRefused or DialLost."""
        passage = self._passage(exchange, asked, credentials)
        passing = asyncio.ensure_future(self._pass_on(exchange, passage))
        self._requests.add(passing)
        passing.add_done_callback(self._requests.discard)
        await asyncio.wait([passing])
        if not passing.cancelled():
            passing.result()

    async def pass_socket(self, exchange: Exchange, asked: VendorPath, credentials: Credentials) -> None:
        """Pass a WebSocket on; raises RequestRefused, NoHandshake or DialFailed."""
        if asked.may_be_agent:
            raise RequestRefused(404, codes.NOT_FOUND, _AGENT)
        passage = self._passage(exchange, asked, credentials)
        socket = await pass_socket(exchange, passage, credentials, metering_loop())
        self._events.emit(SocketPassed(host=urlsplit(passage.url).netloc))
        self._sockets.add(socket)
        socket.ended.add_done_callback(lambda _: self._sockets.discard(socket))

    def close(self) -> None:
        """End everything: the run is over."""
        for request in list(self._requests):
            request.cancel()
        for socket in list(self._sockets):
            socket.close()

    async def _pass_on(self, exchange: Exchange, passage: Passage) -> None:
        vendor = await open_stream(passage.url)
        self._events.emit(RequestPassed(host=urlsplit(passage.url).netloc))
        await pass_request(exchange, vendor, passage)

    def _passage(self, exchange: Exchange, asked: VendorPath, credentials: Credentials) -> Passage:
        if not self.allowed:
            raise RequestRefused(501, codes.NOT_METERED, _NOT_METERED)
        if self._key is None:
            raise RequestRefused(501, codes.NOT_METERED, _NO_KEY)
        base = self.hosts.api_base if asked.host is None else self.hosts.find(asked.host)
        if base is None or not self.hosts.takes_key(base, self._key):
            raise RequestRefused(501, codes.NOT_METERED, _OTHER_KEY)
        return Passage(
            url=base + asked.path,
            key=self._key,
            secrets=Secrets(self._key, credentials.token),
            allowed=cors_headers(exchange.request),
        )
