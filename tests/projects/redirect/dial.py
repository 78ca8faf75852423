"""One function for each client: connects with a key and returns the first message, as applications do.

Imports happen inside: each runs with what is installed, in whatever Python.
"""

from __future__ import annotations

from typing import Any, Callable  # noqa: UP035 - children may have an old Python


def authorization(key: str) -> dict[str, str]:
    return {"Authorization": "Token " + key}


def websockets_asyncio(url: str, key: str, **options: Any) -> str:
    import asyncio

    from websockets.asyncio.client import connect

    async def main() -> str:
        async with connect(url, **{"additional_headers": authorization(key), **options}) as connection:
            return str(await connection.recv())

    return asyncio.run(main())


def websockets_iterator(url: str, key: str) -> str:
    import asyncio

    from websockets.asyncio.client import connect

    async def main() -> str:
        async for connection in connect(url, subprotocols=["token", key]):  # type: ignore[list-item]
            first = str(await connection.recv())
            await connection.close()
            return first
        raise AssertionError("it ends by itself")

    return asyncio.run(main())


def websockets_sync(url: str, key: str, **options: Any) -> str:
    from websockets.sync.client import connect

    with connect(url, **{"additional_headers": authorization(key), **options}) as connection:
        return str(connection.recv())


def websockets_legacy(url: str, key: str, **options: Any) -> str:
    import asyncio
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from websockets.legacy.client import connect

    async def main() -> str:
        async with connect(url, **{"extra_headers": authorization(key), **options}) as connection:
            return str(await connection.recv())

    return asyncio.run(main())


def websockets_trio(url: str, key: str, **options: Any) -> str:
    import trio
    from websockets.trio.client import connect

    async def main() -> str:
        async with connect(url, **{"additional_headers": authorization(key), **options}) as connection:
            return str(await connection.recv())

    return str(trio.run(main))


def websocket_client(url: str, key: str, **options: Any) -> str:
    import websocket

    connection = websocket.create_connection(url, **{"timeout": 10, "header": authorization(key), **options})
    try:
        return str(connection.recv())
    finally:
        connection.close()


def websocket_client_app(url: str, key: str, **options: Any) -> str:
    import websocket

    received: list[str] = []
    errors: list[Any] = []

    def on_message(app: Any, message: str) -> None:
        received.append(message)
        app.close()

    header = ["Authorization: Token " + key]
    app = websocket.WebSocketApp(
        url,
        **{"header": header, "on_message": on_message, "on_error": lambda _, error: errors.append(error), **options},
    )
    app.run_forever()
    if errors:
        raise errors[0]
    return received[0]


def aiohttp_session(url: str, key: str, **options: Any) -> str:
    import asyncio

    import aiohttp

    async def main() -> str:
        async with (
            aiohttp.ClientSession(headers=authorization(key), trust_env=True) as session,
            session.ws_connect(url, **options) as connection,
        ):
            return str(await connection.receive_str())

    return asyncio.run(main())


def httpx_ws(url: str, key: str, **options: Any) -> str:
    import httpx
    from httpx_ws import connect_ws

    with (
        httpx.Client(headers=authorization(key), timeout=10) as client,
        connect_ws(url, client, **options) as connection,
    ):
        return str(connection.receive_text(timeout=10))


def httpx_ws_async(url: str, key: str, **options: Any) -> str:
    import asyncio

    import httpx
    from httpx_ws import aconnect_ws

    async def main() -> str:
        async with (
            httpx.AsyncClient(headers=authorization(key), timeout=10) as client,
            aconnect_ws(url, client, **options) as connection,
        ):
            return str(await connection.receive_text(timeout=10))

    return asyncio.run(main())


def requests_get(url: str, key: str) -> str:
    import requests

    return str(requests.get(url, headers=authorization(key), timeout=10).text)


def urllib3_get(url: str, key: str) -> str:
    import urllib3

    with urllib3.PoolManager() as manager:
        return manager.request("GET", url, headers=authorization(key), timeout=10.0).data.decode()


def httpx_get(url: str, key: str) -> str:
    import httpx

    return str(httpx.get(url, headers=authorization(key), timeout=10).text)


def httpx_get_async(url: str, key: str) -> str:
    import asyncio

    import httpx

    async def main() -> str:
        async with httpx.AsyncClient(timeout=10) as client:
            return str((await client.get(url, headers=authorization(key))).text)

    return asyncio.run(main())


def aiohttp_get(url: str, key: str) -> str:
    import asyncio

    import aiohttp

    async def main() -> str:
        async with (
            aiohttp.ClientSession(trust_env=True) as session,
            session.get(url, headers=authorization(key)) as response,
        ):
            return str(await response.text())

    return asyncio.run(main())


Dial = Callable[[str, str], str]
SOCKETS: dict[str, Dial] = {
    dial.__name__: dial
    for dial in (
        websockets_asyncio,
        websockets_iterator,
        websockets_sync,
        websockets_legacy,
        websockets_trio,
        websocket_client,
        websocket_client_app,
        aiohttp_session,
        httpx_ws,
        httpx_ws_async,
    )
}
REQUESTS: dict[str, Dial] = {
    dial.__name__: dial for dial in (requests_get, urllib3_get, httpx_get, httpx_get_async, aiohttp_get)
}
