"""One function for each way in which the official SDKs, 3 to 7, open a session at the address that they know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

# Longer than what cuts them or closes them takes.
_HELD_SECONDS = 2


def sdk(_: str, key: str) -> str:
    """5 and later."""
    from deepgram import DeepgramClient

    with DeepgramClient(api_key=key).agent.v1.connect() as connection:
        return str(connection.recv())


def sdk_async(_: str, key: str) -> str:
    """5 and later."""
    from deepgram import AsyncDeepgramClient

    async def main() -> str:
        async with AsyncDeepgramClient(api_key=key).agent.v1.connect() as connection:
            return str(await connection.recv())

    return asyncio.run(main())


def _options() -> Any:
    import deepgram

    name = "SettingsOptions" if hasattr(deepgram, "SettingsOptions") else "SettingsConfigurationOptions"
    return getattr(deepgram, name)()


def old_sdk(_: str, key: str) -> str:
    """3 and 4. Version 3 can't read today's Welcome: that the session has opened is all that it says."""
    from deepgram import DeepgramClient

    connection = DeepgramClient(key).agent.websocket.v("1")
    started = connection.start(_options())
    connection.finish()
    return "Welcome" if started else "not started"


def old_sdk_held(_: str, key: str) -> str:
    """Opens a session and never ends it."""
    from deepgram import DeepgramClient

    DeepgramClient(key).agent.websocket.v("1").start(_options())
    threading.Event().wait(_HELD_SECONDS)
    return ""


def old_sdk_async_held(_: str, key: str) -> str:
    """Opens a session and never ends it."""
    from deepgram import DeepgramClient

    async def main() -> str:
        await DeepgramClient(key).agent.asyncwebsocket.v("1").start(_options())
        await asyncio.sleep(_HELD_SECONDS)
        return ""

    return asyncio.run(main())


def old_sdk_async(_: str, key: str) -> str:
    """3 and 4."""
    from deepgram import DeepgramClient

    async def main() -> str:
        connection = DeepgramClient(key).agent.asyncwebsocket.v("1")
        started = await connection.start(_options())
        await connection.finish()
        return "Welcome" if started else "not started"

    return asyncio.run(main())


SDKS: dict[str, Callable[[str, str], str]] = {
    dial.__name__: dial for dial in (sdk, sdk_async, old_sdk, old_sdk_async, old_sdk_held, old_sdk_async_held)
}
