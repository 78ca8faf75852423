"""Any client, with a key from any source."""

from __future__ import annotations

import os
import ssl
import threading

HARD_CODED = "a11ce7e57ab1e00c0ffeed0dd5eafa11babe5ca1"
AT_IMPORT = os.environ["DEEPGRAM_API_KEY"]
URL = "wss://agent.deepgram.com/v1/agent/converse"
_PATIENCE_SECONDS = 1
SOURCES = ("hard-coded", "at import", "dotenv")


def key_from(source: str) -> str:
    if source == "dotenv":
        from dotenv import load_dotenv

        load_dotenv(".env", override=True)
        return os.environ["DEEPGRAM_API_KEY"]
    return AT_IMPORT if source == "at import" else HARD_CODED


def dial(client: str, key: str) -> str:
    from tests.projects.redirect import dial, dial_sdk, dial_tls

    by_hand = {**dial_tls.STANDARD, **dial_tls.OTHERS}
    if client in by_hand:
        return str(by_hand[client](URL, key, ssl.create_default_context()))
    return str({**dial.SOCKETS, **dial_sdk.SDKS}[client](URL, key))


def outcome(client: str, source: str) -> str:
    """Return the first message or the error. A thread that a client leaves could read from the next one's socket."""
    running = set(threading.enumerate())
    try:
        return dial(client, key_from(source))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    finally:
        for thread in set(threading.enumerate()) - running:
            thread.join(_PATIENCE_SECONDS)
