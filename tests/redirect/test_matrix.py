"""Every client, imported before or after, with a key from anywhere, here or in a child: redirected or refused.

In a network of its own whose stand-in has the vendor's real names; with the redirect off the same cells reach it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.variables import clean_environment

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "redirect"
AT_IMPORT = "b0b07e57ab1e00c0ffeed0dd5eafa11babe5ca1b"
DOTENV = "ca401e57ab1e00c0ffeed0dd5eafa11babe5ca1c"
KEYS = {"hard-coded": "a11ce7e57ab1e00c0ffeed0dd5eafa11babe5ca1", "at import": AT_IMPORT, "dotenv": DOTENV}
TOKEN = "d9b0d9e7" + "0a1b2c3d" * 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Clients:
    """Clients that need the same packages; ``modules`` are those that are imported before.

    ``green`` is the library, if any, that makes their blocking calls cooperative.
    """

    packages: tuple[str, ...]
    modules: tuple[str, ...]
    clients: tuple[str, ...]
    green: str | None = None


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
    "websockets 15": Clients(("websockets==15.0.1",), ALL, ALL_CLIENTS),
    "websockets 16": Clients(("websockets==16.0",), ALL, ALL_CLIENTS),
    "websockets 17.0": Clients(("websockets==17.0",), ALL, ALL_CLIENTS),
    "websockets 17": Clients(
        ("websockets>=17.1,<18", "trio"), (*ALL, "websockets.trio.client"), (*ALL_CLIENTS, "websockets_trio")
    ),
    "SDK 3": Clients(("deepgram-sdk==3.*",), ("deepgram", *ALL), OLD_SDK),
    "SDK 4.8": Clients(("deepgram-sdk==4.8.*",), ("deepgram", *ALL), OLD_SDK),
    "SDK 5.3": Clients(("deepgram-sdk==5.3.*",), ("deepgram.agent.v1.client",), NEW_SDK),
    "SDK 6.1": Clients(("deepgram-sdk==6.1.*",), ("deepgram.agent.v1.client",), NEW_SDK),
    "SDK 7": Clients(("deepgram-sdk==7.*",), ("deepgram.agent.v1.client",), NEW_SDK),
    "others": Clients(
        ("websocket-client", "aiohttp", "httpx", "httpx-ws", "picows"),
        ("websocket", "aiohttp", "httpx", "httpx_ws", "picows"),
        ("websocket_client", "websocket_client_app", "aiohttp_session", "httpx_ws", "httpx_ws_async", "picows_client"),
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
    """Return a folder with the packages, which is kept for the next run."""
    folder = CACHE / name.replace(" ", "-")
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command = [*pip, "--target", str(folder), *MATRIX[name].packages, "python-dotenv"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"pip can't install it here: {ended.stderr.strip().splitlines()[-1]}")
        (folder / "complete").touch()
    return folder


class World:
    """The network of its own, and what its programs say."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, clients: Clients, packages: Path, how: str, *, before: bool = False) -> list[list[Any]]:
        """Return client, source of the key, outcome, and what reached the gateway and the vendor, of each cell."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = {
            "program": {
                "green": clients.green,
                "clients": clients.clients,
                "modules": clients.modules if before else [],
            },
            "how": how,
            "cwd": str(self._folder),
            "env": {"PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]), "DEEPGRAM_API_KEY": AT_IMPORT},
        }
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        lines = iter(self._process.stdout.readline, "done\n")
        cells = [json.loads(line) for line in lines if line]
        assert len(cells) == 3 * len(clients.clients)
        return cells


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    isolate = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if not shutil.which("unshare") or subprocess.run([*isolate, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own can't be made here")
    (tmp_path / ".env").write_text(f"DEEPGRAM_API_KEY={DOTENV}\n", encoding="utf-8")
    command = [*isolate, sys.executable, "-m", "tests.support.vendor_world", str(tmp_path)]
    environment = clean_environment({"PYTHONWARNINGS": "ignore"})
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield World(process, tmp_path)
        process.kill()


def is_redirected(gateway: list[dict[str, Any]], outcome: str) -> bool:
    shown = [one["credential"] or "" for one in gateway if one["path"] == "/v1/agent/converse"]
    return "Welcome" in outcome and len(shown) == 1 and shown[0] in (f"Token {TOKEN}", f"token, {TOKEN}")


def is_refused(gateway: list[dict[str, Any]], outcome: str) -> bool:
    return (
        [one["path"] for one in gateway] == ["/bypass"] and "Welcome" not in outcome and "101 Switching" not in outcome
    )


@pytest.mark.parametrize("name", MATRIX)
def test_every_session_is_redirected_or_refused(name: str, world: World) -> None:
    clients, packages = MATRIX[name], installed(name)
    for client, source, outcome, gateway, vendor in world.run(clients, packages, "off"):
        shown = [one["credential"] for one in vendor]
        assert shown in ([f"Token {KEYS[source]}"], [f"token, {KEYS[source]}"]), (client, source, outcome)
        assert gateway == []
        assert vendor[0]["process"] is not None
    for how, before in (("in process", True), ("in process", False), ("child", False)):
        for client, source, outcome, gateway, vendor in world.run(clients, packages, how, before=before):
            cell = (client, source, how, before, outcome, gateway, vendor)
            assert [one for one in vendor if one["credential"]] == [], cell
            assert is_redirected(gateway, outcome) or is_refused(gateway, outcome), cell
            assert not any(key in str(cell) for key in KEYS.values()), cell
