"""Dials with some clients, and a key from each source; after each session it waits to be told to go on.

Its argument is JSON: what is patched first, the clients, the modules to import, and the redirect to install then; a
child has none.
"""

from __future__ import annotations

import importlib
import json
import os
import ssl
import sys
from typing import Any

HARD_CODED = "a11ce7e57ab1e00c0ffeed0dd5eafa11babe5ca1"
AT_IMPORT = os.environ["DEEPGRAM_API_KEY"]
URL = "wss://agent.deepgram.com/v1/agent/converse"


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
    try:
        return dial(client, key_from(source))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def patch_everything(library: str) -> None:
    """Make blocking calls cooperative, as applications on gevent and eventlet do."""
    if library == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()


def main() -> None:
    told: dict[str, Any] = json.loads(sys.argv[1])
    if told["green"]:
        patch_everything(told["green"])
    for module in told["modules"]:
        importlib.import_module(module)
    if told["redirect"]:
        from pytest_dgbudget.redirect import install

        install(told["redirect"])
    for client in told["clients"]:
        for source in ("hard-coded", "at import", "dotenv"):
            print(json.dumps([client, source, outcome(client, source)]), flush=True)
            sys.stdin.readline()


main()
os._exit(0)  # whatever threads a client has left
