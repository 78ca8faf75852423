"""One request passed on, and its answer passed back: both streamed, at the pace of whoever is slower."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.http import Headers, Request
from pytest_dgbudget.gateway.http_stream import HttpStream
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.gateway.upstream import DialLost

# Between two ends of one connection only (RFC 9110, section 7.6.1), or framed anew.
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
# Ours to say: where it goes, with which key; a compressed answer could not be searched for that key.
_REPLACED = {"host", "authorization", "expect", "accept-encoding"}
# A page may read what we let it read.
_OURS_TO_ALLOW = "access-control-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Where a request goes and with which key; ``allowed`` are headers that its answer gains.

    ``secrets`` is what nothing that comes back may repeat.
    """

    url: str
    key: str = field(repr=False)
    secrets: Secrets
    allowed: Headers = ()


def passed_headers(request: Request) -> list[tuple[str, str]]:
    """Return the headers that go on as they came."""
    named = {name.strip().lower() for name in request.header("connection").split(",")}
    left_out = HOP_BY_HOP | _REPLACED | named
    return [(name, value) for name, value in request.headers if name not in left_out]


async def pass_request(exchange: Exchange, vendor: HttpStream, passage: Passage) -> None:
    """Pass a request on, and its answer back; raises DialLost as long as the client has got nothing of an answer."""
    try:
        passing = asyncio.ensure_future(_PassedRequest(exchange, vendor, passage).run())
        try:
            await asyncio.wait([passing, exchange.gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            passing.cancel()
            await asyncio.wait([passing])
        if not passing.cancelled():
            passing.result()
    finally:
        vendor.abort()


class _PassedRequest:
    def __init__(self, exchange: Exchange, vendor: HttpStream, passage: Passage) -> None:
        self._request = exchange.request
        self._client = exchange.stream()
        self._vendor = vendor
        self._passage = passage
        self._answered = False

    async def run(self) -> None:
        try:
            await self._vendor.send(self._head())
            uploading = asyncio.ensure_future(self._upload())
            try:
                await self._download()
            finally:
                uploading.cancel()
                await asyncio.wait([uploading])
        except asyncio.CancelledError:
            self._client.abort()
            raise
        except (OSError, h11.ProtocolError) as error:
            if not self._answered:
                raise DialLost(502, self._passage.secrets.hide(f"{type(error).__name__}: {error}")) from None
            self._client.abort()
        else:
            await self._client.finish()

    def _head(self) -> h11.Request:
        url, request = urlsplit(self._passage.url), self._request
        target = f"{url.path}?{request.query}" if request.query else url.path
        ours = [
            ("Host", url.netloc),
            ("Authorization", f"Token {self._passage.key}"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]
        if "chunked" in request.header("transfer-encoding").lower():
            ours.append(("Transfer-Encoding", "chunked"))
        return h11.Request(method=request.method, target=target, headers=_encoded([*ours, *passed_headers(request)]))

    async def _upload(self) -> None:
        """Pass the body on. A vendor that takes no more of it may have answered already."""
        async for data in self._body():
            try:
                await self._vendor.send(data)
            except (OSError, h11.ProtocolError):
                return

    async def _body(self) -> AsyncIterator[h11.Data | h11.EndOfMessage]:
        """Yield the client's body and its end; a client that sends none that can be read is left alone."""
        try:
            await self._client.allow_body()
            while isinstance(event := await self._client.next_event(), h11.Data):
                yield h11.Data(data=event.data)
            yield h11.EndOfMessage()
        except (OSError, h11.ProtocolError):
            self._client.abort()

    async def _download(self) -> None:
        response = await self._vendor.next_event()
        while isinstance(response, h11.InformationalResponse):
            response = await self._vendor.next_event()
        if not isinstance(response, h11.Response):
            raise ConnectionResetError("the connection was closed without an answer")
        self._answered = True
        await self._client.send(self._response(response))
        await self._pass_body()
        await self._client.send(h11.EndOfMessage())

    def _response(self, response: h11.Response) -> h11.Response:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        named = {each.strip().lower() for name, value in headers if name == "connection" for each in value.split(",")}
        passed = [
            (name, value)
            for name, value in headers
            if name not in HOP_BY_HOP | named and not (self._passage.allowed and name.startswith(_OURS_TO_ALLOW))
        ]
        safe = [*self._passage.secrets.hide_in(passed), *self._allowed(passed), ("Connection", "close")]
        return h11.Response(status_code=response.status_code, headers=_encoded(safe), reason=response.reason)

    def _allowed(self, passed: Headers) -> Headers:
        if not self._passage.allowed:
            return []
        readable = ", ".join(name for name, _ in passed if name.startswith("dg-"))
        return [*self._passage.allowed, *([("Access-Control-Expose-Headers", readable)] if readable else [])]

    async def _pass_body(self) -> None:
        """Blank what the vendor repeats; the end that may begin a secret is kept until more comes."""
        secrets, kept = self._passage.secrets, b""
        while isinstance(event := await self._vendor.next_event(), h11.Data):
            data = secrets.blank(kept + bytes(event.data))
            keep = secrets.begins_at_end_of(data)
            kept = data[len(data) - keep :]
            await self._client.send(h11.Data(data=data[: len(data) - keep]))
        await self._client.send(h11.Data(data=kept))


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
