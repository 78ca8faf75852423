"""An HTTP server on loopback that stands for a function's endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
        writer.close()


@asynccontextmanager
async def endpoint(answer: bytes = OK) -> AsyncIterator[tuple[FunctionServer, str]]:
    served = FunctionServer(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    async with server:
        yield served, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/orders?v=1"
