"""A relay as one would write it with `websockets`, message by message: UPSTREAM_URL. Prints its port."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from benchmarks.agent_server import until_stdin_ends


async def pump(source: ServerConnection | ClientConnection, sink: ServerConnection | ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in source:
            await sink.send(message)
    await sink.close()


async def relay(client: ServerConnection, upstream_url: str) -> None:
    async with connect(upstream_url, compression=None, proxy=None) as upstream:
        await asyncio.gather(pump(client, upstream), pump(upstream, client))


async def run(upstream_url: str) -> None:
    async with serve(lambda client: relay(client, upstream_url), "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await until_stdin_ends()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
