"""A server of streams that leaves no connection behind."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection on a loopback port, which is yielded; at the end every one is closed."""
    open_connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
    is_over = False

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_over:  # its handshake took so long
            writer.transport.abort()
            return
        serving_it = asyncio.ensure_future(serve_one(reader, writer))
        open_connections[serving_it] = writer
        serving_it.add_done_callback(open_connections.pop)

    handshake_seconds = None if tls is None else 5
    server = await asyncio.start_server(accepted, "127.0.0.1", ssl=tls, ssl_handshake_timeout=handshake_seconds)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # A server that is closed would leave open what it has accepted just now.
        for listener in server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        for _ in range(3):  # until each connection that is accepted has been handed over
            await asyncio.sleep(0)
        is_over = True
        for serving_it, writer in list(open_connections.items()):
            serving_it.cancel()
            writer.transport.abort()
        if open_connections:
            await asyncio.wait(list(open_connections))
        server.close()
        await server.wait_closed()
