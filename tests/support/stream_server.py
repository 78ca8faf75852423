"""A server of streams that leaves no connection behind."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection on a port of loopback, which it yields; at the end every one is closed."""
    open_connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving_it = asyncio.ensure_future(serve_one(reader, writer))
        open_connections[serving_it] = writer
        serving_it.add_done_callback(open_connections.pop)

    async with await asyncio.start_server(accepted, "127.0.0.1", ssl=tls) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for _ in range(3):  # then the loop has handed over each connection that it has accepted
                await asyncio.sleep(0)
            for serving_it, writer in list(open_connections.items()):
                serving_it.cancel()
                writer.transport.abort()
            if open_connections:
                await asyncio.wait(list(open_connections))
