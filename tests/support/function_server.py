"""An HTTP server on loopback that stands for a function's endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.stream_server import serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nshipped"


class FunctionServer:
    """Gives the same answer to every request once ``gate`` is set; keeps the requests."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.read(65536))
        self.asked.set()
        await self.gate.wait()
        writer.write(self.answer)
        await reader.read()
        self.left.set()


@asynccontextmanager
async def endpoint(answer: bytes = OK) -> AsyncIterator[tuple[FunctionServer, str]]:
    served = FunctionServer(answer)
    async with serving(served.serve) as port:
        yield served, f"http://127.0.0.1:{port}/orders?v=1"
