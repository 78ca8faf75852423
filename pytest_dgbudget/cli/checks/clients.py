"""Whether the clients that are installed here are redirected, each in a program as a run would start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version

from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.cli.checks.client_programs import (
    AGENT_URL,
    HARD_CODED_KEY,
    NODE_PROGRAM,
    PYTHON_PROGRAMS,
)
from pytest_dgbudget.cli.checks.landing import Landing
from pytest_dgbudget.credentials import TOKEN_PREFIX
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.codes import AGENT_PATH
from pytest_dgbudget.redirect import RedirectSettings
from pytest_dgbudget.redirect.children import children_environment
from pytest_dgbudget.redirect.node_options import with_preload

_SECONDS = 10
_NODE = "node ws"
_TO_DO = "give the application the gateway's address (docs: your application); --redirect=refuse refuses such clients"
_OLDEST_SDK = 5


def check_clients() -> list[Check]:
    """Return a line for each client, those that are not installed included."""
    looks: list[Callable[[], Check]] = [_look(name, program) for name, program in PYTHON_PROGRAMS.items()]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda look: look(), [*looks, _check_node]))


def _look(distribution: str, program: str) -> Callable[[], Check]:
    return lambda: _check_python(distribution, program)


def _check_python(distribution: str, program: str) -> Check:
    try:
        installed = version(distribution)
    except PackageNotFoundError:
        return _not_looked_at(distribution, "not installed in this Python")
    if distribution == "deepgram-sdk" and int(installed.split(".")[0]) < _OLDEST_SDK:
        return _not_looked_at(distribution, f"{installed} is not tried, only {_OLDEST_SDK} and newer")
    return _dial(distribution, installed, [sys.executable, "-c", program])


def _check_node() -> Check:
    node = shutil.which("node")
    if node is None:
        return _not_looked_at(_NODE, "there is no node")
    try:
        found = _run([node, "-p", 'require("ws/package.json").version'], Interpreter.of_this_process().environment)
    except (OSError, subprocess.SubprocessError):
        return _not_looked_at(_NODE, "ws is not installed for the current directory")
    return _dial(_NODE, found.strip(), [node, "-e", NODE_PROGRAM])


def _not_looked_at(client: str, why: str) -> Check:
    return Check(name=_name(client), result="skipped", found=why)


def _name(client: str) -> str:
    return f"redirect: {client}"


def _dial(client: str, installed: str, command: list[str]) -> Check:
    """Run a program that dials the vendor, and see where it comes out."""
    token = TOKEN_PREFIX + os.urandom(16).hex()
    with Landing() as landing:
        settings = RedirectSettings(gateway=landing.address, token=token, agent_url=AGENT_URL)
        said = _outcome(command, _redirected(Interpreter.of_this_process().environment, settings))
        if any(_is_redirected(head, token) for head in landing.heads):
            return Check(name=_name(client), result="ok", found=f"{installed} dials the gateway")
    found = f"{installed} does not dial the gateway: {said}"
    return Check(name=_name(client), result="failed", found=found, to_do=_TO_DO)


def _redirected(environment: Mapping[str, str], settings: RedirectSettings) -> dict[str, str]:
    """Return what a run would start a program with, and no proxy."""
    direct = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    node = {"NODE_OPTIONS": with_preload(environment.get("NODE_OPTIONS"))}
    return {**direct, **children_environment(direct, settings), **node}


def _is_redirected(head: str, token: str) -> bool:
    """Return whether a request is one for a session, with the token, and without the key that the program has."""
    return head.startswith(f"GET {AGENT_PATH} ") and token in head and HARD_CODED_KEY not in head


def _outcome(command: list[str], environment: Mapping[str, str]) -> str:
    """Return the last that a program has said; that it is refused in the end is as it should be."""
    try:
        return _run(command, environment).strip()
    except subprocess.CalledProcessError as error:
        said: list[str] = error.stderr.strip().splitlines()
        return said[-1] if said else "it said nothing"
    except subprocess.TimeoutExpired:
        return f"it did not end within {_SECONDS} s"
    except OSError as error:
        return str(error)


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_SECONDS,
        check=True,
    )
    printed: str = done.stdout
    return printed
