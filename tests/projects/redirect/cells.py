"""Dials with some clients, and a key from each source; after each session it waits to be told to go on.

Its argument is JSON: what is patched first, the clients, the sources, the modules to import, and the redirect to
install then; a child has none.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from tests.projects.redirect.dial_any import outcome


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
        for source in told["sources"]:
            print(json.dumps([client, source, outcome(client, source)]), flush=True)
            sys.stdin.readline()


main()
os._exit(0)  # whatever threads a client has left
