"""Node programs that are redirected to a server in the gateway's place."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.redirect.node_options import with_preload
from tests.conformance import sdks
from tests.support.project import PROJECTS
from tests.support.recording_gateway import RecordingServer, vendor_over_tls
from tests.support.variables import clean_environment

TOKEN = "d9b0d9e7" + "1" * 32
AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
PACKAGES = ("@deepgram/sdk", "@playwright/test", "msw", "nock", "undici", "ws")
# Named by what needs it: the oldest that is redirected, the one that is installed, and one with a global WebSocket.
NODES = {"node 18": 18, "node": None, "node 24": 24}

Installed = Callable[[str], str]


def settings_of(gateway: RecordingServer, **changes: Any) -> dict[str, Any]:
    """What the plugin puts into DGBUDGET_REDIRECT."""
    usual = {"gateway": gateway.address, "token": TOKEN, "agent_url": AGENT_URL, "how": "clients", "grant": True}
    return {**usual, **changes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a program printed, each line as JSON, and what it wrote to stderr."""

    shown: list[dict[str, Any]]
    stderr: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeApp:
    """The programs of tests/projects/node_app in a folder with the packages that they use, and a Node to run them."""

    folder: Path
    node: str
    gateway: RecordingServer
    vendor: RecordingServer
    authority: Path = field(repr=False)
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, program: str, *arguments: str, **settings: Any) -> Ran:
        return self.run_with(json.dumps(settings_of(self.gateway, **settings)), program, *arguments)

    def run_with(self, redirect: str, program: str, *arguments: str, options: str | None = None) -> Ran:
        # The user's own option: it still runs.
        usual = with_preload('--require "./names.cjs"') if options is None else options
        done = self.execute(program, *arguments, redirect=redirect, options=usual)
        shown = [json.loads(line) for line in done.stdout.splitlines()]
        return Ran(shown=shown, stderr=done.stderr, status=done.returncode)

    def execute(self, *command: str, redirect: str, options: str) -> subprocess.CompletedProcess[str]:
        redirected = {"DGBUDGET_REDIRECT": redirect, "NODE_OPTIONS": options}
        environment = {**redirected, "NODE_EXTRA_CA_CERTS": str(self.authority), **self.environment}
        return subprocess.run(
            [self.node, *command],
            cwd=self.folder,
            env=clean_environment(environment),
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )


@pytest.fixture
def gateway() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs beside the packages, which are installed once."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(PROJECTS / "node_app", folder, dirs_exist_ok=True)
    try:
        sdks.node_packages(folder, *PACKAGES)
    except sdks.NotInstalled as reason:
        pytest.skip(str(reason))
    return folder


@pytest.fixture(scope="session")
def installed_node(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return the path of a Node by its name in NODES; skip the test where it can't be installed."""

    @cache
    def path_of(name: str) -> tuple[str, str]:
        try:
            major = NODES[name]
            return (
                sdks.node_release(tmp_path_factory.mktemp("node"), major) if major else shutil.which("node")
            ) or "", ""
        except sdks.NotInstalled as reason:
            return "", str(reason)

    def found(name: str) -> str:
        path, reason = path_of(name)
        return path or pytest.skip(f"there is no {name}: {reason}")

    return found


@pytest.fixture(params=NODES)
def node_app(request: pytest.FixtureRequest, make_node_app: Callable[[str], NodeApp]) -> NodeApp:
    return make_node_app(request.param)


@pytest.fixture
def node_24_app(make_node_app: Callable[[str], NodeApp]) -> NodeApp:
    return make_node_app("node 24")


@pytest.fixture
def make_node_app(
    node_folder: Path, installed_node: Installed, gateway: RecordingServer, tmp_path: Path
) -> Iterator[Callable[[str], NodeApp]]:
    authority = tmp_path / "authority.pem"
    with vendor_over_tls(authority) as vendor:
        yield lambda name: NodeApp(
            folder=node_folder, node=installed_node(name), gateway=gateway, vendor=vendor, authority=authority
        )
