"""Clients of the vendor, with the packages that they need, and a network of their own in which they run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.projects.redirect.dial import SOCKETS
from tests.projects.redirect.dial_sdk import SDKS
from tests.support.own_network import own_network
from tests.support.project import PROJECTS
from tests.support.variables import clean_environment

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "redirect"
AT_IMPORT = "b0b07e57ab1e00c0ffeed0dd5eafa11babe5ca1b"
DOTENV = "ca401e57ab1e00c0ffeed0dd5eafa11babe5ca1c"
KEYS = {"hard-coded": "a11ce7e57ab1e00c0ffeed0dd5eafa11babe5ca1", "at import": AT_IMPORT, "dotenv": DOTENV}
TOKEN = "d9b0d9e7" + "0a1b2c3d" * 4
REDIRECTED = {*SOCKETS, *SDKS}


@dataclass(frozen=True)
class Clients:
    """Clients that need the same packages; ``modules`` are those that are imported before.

    ``green`` is the library, if any, that makes their blocking calls cooperative. ``beside_ours``: a pytest with our
    plugin, and the gateway, run with these packages as well.
    """

    packages: tuple[str, ...]
    modules: tuple[str, ...]
    clients: tuple[str, ...]
    green: str | None = None
    beside_ours: bool = False


ASYNCIO, SYNC, LEGACY = "websockets.asyncio.client", "websockets.sync.client", "websockets.legacy.client"
ALL = (ASYNCIO, SYNC, LEGACY)
ALL_CLIENTS = ("websockets_asyncio", "websockets_iterator", "websockets_sync", "websockets_legacy")
OLD_SDK, NEW_SDK = ("old_sdk", "old_sdk_async"), ("sdk", "sdk_async")
GREEN_PACKAGES, GREEN_MODULES = ("websocket-client", "websockets==16.0"), ("ssl", "websocket", SYNC)
GREEN_CLIENTS = ("websocket_client", "websocket_client_app", "websockets_sync", "raw_send", "raw_pieces")
MATRIX = {
    "websockets 10.4": Clients(("websockets==10.4",), (LEGACY,), ("websockets_legacy",)),
    "websockets 12": Clients(("websockets==12.0",), (SYNC, LEGACY), ("websockets_sync", "websockets_legacy")),
    "websockets 13.1": Clients(("websockets==13.1",), ALL, ALL_CLIENTS),
    "websockets 14.2": Clients(("websockets==14.2",), ALL, ALL_CLIENTS),
    "websockets 15": Clients(("websockets==15.0.1",), ALL, ALL_CLIENTS, beside_ours=True),
    "websockets 16": Clients(("websockets==16.0",), ALL, ALL_CLIENTS, beside_ours=True),
    "websockets 17.0": Clients(("websockets==17.0",), ALL, ALL_CLIENTS, beside_ours=True),
    "websockets 17": Clients(
        ("websockets>=17.1,<18", "trio"),
        (*ALL, "websockets.trio.client"),
        (*ALL_CLIENTS, "websockets_trio"),
        beside_ours=True,
    ),
    "SDK 3": Clients(("deepgram-sdk==3.*",), ("deepgram", *ALL), OLD_SDK, beside_ours=True),
    "SDK 4.8": Clients(("deepgram-sdk==4.8.*",), ("deepgram", *ALL), OLD_SDK, beside_ours=True),
    "SDK 5.3": Clients(("deepgram-sdk==5.3.*",), ("deepgram.agent.v1.client",), NEW_SDK, beside_ours=True),
    "SDK 6.1": Clients(("deepgram-sdk==6.1.*",), ("deepgram.agent.v1.client",), NEW_SDK, beside_ours=True),
    "SDK 7": Clients(("deepgram-sdk==7.*",), ("deepgram.agent.v1.client",), NEW_SDK, beside_ours=True),
    "others": Clients(
        ("websocket-client", "aiohttp", "httpx", "httpx-ws", "picows"),
        ("websocket", "aiohttp", "httpx", "httpx_ws", "picows"),
        ("websocket_client", "websocket_client_app", "aiohttp_session", "httpx_ws", "httpx_ws_async", "picows_client"),
        beside_ours=True,
    ),
    "TLS by hand": Clients(
        ("uvloop", "tornado", "autobahn", "truststore", "aiofastnet"),
        ("ssl", "uvloop", "tornado.websocket", "autobahn.asyncio.websocket", "truststore", "aiofastnet"),
        (
            *("raw_send", "raw_pieces", "without_name", "asyncio_stream", "uvloop_stream", "tornado_client"),
            *("autobahn_client", "truststore_socket", "aiofastnet_connection"),
        ),
    ),
    "gevent": Clients(("gevent",), ("gevent.ssl",), ("gevent_socket",)),
    "gevent everywhere": Clients(("gevent", *GREEN_PACKAGES), GREEN_MODULES, GREEN_CLIENTS, "gevent"),
    "eventlet": Clients(("eventlet",), ("eventlet.green.ssl",), ("eventlet_socket",)),
    "eventlet everywhere": Clients(("eventlet", *GREEN_PACKAGES), GREEN_MODULES, GREEN_CLIENTS, "eventlet"),
}


def installed(name: str) -> Path:
    """Return a folder with the packages, which is kept for the next run; other processes may make it as well."""
    folder = CACHE / name.replace(" ", "-")
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=CACHE))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command = [*pip, "--target", str(partial), *MATRIX[name].packages, "python-dotenv"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            with suppress(OSError):  # another process was faster
                partial.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
        if ended.returncode:
            pytest.skip(f"pip can't install it here: {ended.stderr.strip().splitlines()[-1]}")
    return folder


class World:
    """The network of its own, and what its programs say."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, clients: Clients, packages: Path, how: str, *, before: bool = False) -> list[list[Any]]:
        """Return client, source of the key, outcome, and what reached the gateway and the vendor, of each cell."""
        told = {
            "program": {
                "green": clients.green,
                "clients": clients.clients,
                "sources": tuple(KEYS),
                "modules": clients.modules if before else [],
            },
            "how": how,
            "cwd": str(self._folder),
            "env": {"PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]), "DEEPGRAM_API_KEY": AT_IMPORT},
        }
        cells = self._printed(told)
        assert len(cells) == 3 * len(clients.clients)
        return cells

    def meter(self, project: str, clients: Clients, packages: Path) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
        """Run a project whose clients are redirected to a gateway: its report, what the vendor saw, and its output."""
        shutil.copytree(PROJECTS / project, self._folder, dirs_exist_ok=True)
        redirected = [client for client in clients.clients if client in REDIRECTED]
        here = redirected if clients.beside_ours else []
        told = {
            "project": [
                "-p",
                "imports_before",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:randomly",
                "--dg-budget=10m",
                "--dg-reconcile=off",
            ],
            "cwd": str(self._folder),
            "env": {
                "PYTHONPATH": os.pathsep.join([*([str(packages)] if here else []), str(self._folder), str(ROOT)]),
                "DEEPGRAM_API_KEY": AT_IMPORT,
                "CLIENTS": json.dumps(
                    {
                        "here": here,
                        "in child": redirected,
                        "modules": clients.modules if here else [],
                        "packages": str(packages),
                        "green": clients.green,
                    }
                ),
            },
        }
        (seen,) = self._printed(told)
        output = (self._folder / "output").read_text(encoding="utf-8")
        report = self._folder / ".dgbudget" / "report" / "usage.json"
        assert report.exists(), output
        return json.loads(report.read_text(encoding="utf-8")), seen, output

    def _printed(self, told: dict[str, Any]) -> list[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        printed = []
        while (line := self._process.stdout.readline()) != "done\n":
            assert line, "the world has ended"
            printed.append(json.loads(line))
        return printed


@contextmanager
def client_world(folder: Path) -> Iterator[World]:
    """Make a network of its own, with this folder for its programs; skips the test where that can't be done."""
    (folder / ".env").write_text(f"DEEPGRAM_API_KEY={DOTENV}\n", encoding="utf-8")
    command = [*own_network("--mount"), sys.executable, "-m", "tests.support.vendor_world", str(folder)]
    environment = clean_environment({"PYTHONWARNINGS": "ignore"})
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield World(process, folder)
        process.kill()
