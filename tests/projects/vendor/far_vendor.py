"""A vendor in another network namespace; its certificate's file is the argument, its port comes on stdout."""

import asyncio
import ssl
import sys

from websockets.asyncio.server import ServerConnection, serve


async def talk(connection: ServerConnection) -> None:
    await connection.send('{"type":"Welcome","request_id":"far"}')
    await connection.recv()
    await connection.send('{"type":"SettingsApplied"}')
    await connection.wait_closed()


async def main() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    async with serve(talk, "10.213.7.2", 0, compression=None, ping_interval=None, ssl=context) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
