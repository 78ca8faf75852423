"""The vendor's SDKs, each in a folder of its own, installed by the package manager as it is set up on this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INSTALL_SECONDS = 240


class NotInstalled(Exception):
    """Why an SDK is not there."""


def python_sdk(folder: Path, requirement: str) -> Path:
    """Make an environment with this SDK and return its interpreter."""
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", requirement])
    return python


def node_sdk(folder: Path) -> str:
    """Install the Node SDK there and return the path of Node itself."""
    return node_packages(folder, "@deepgram/sdk")


def node_packages(folder: Path, *names: str) -> str:
    """Install these packages there and return the path of Node itself."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled("there is no node or no npm here")
    _run([npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", *names])
    return node


def node_release(folder: Path, major: int) -> str:
    """Install a Node of this major version, which is a package as well, and return its path."""
    node_packages(folder, f"node@{major}")
    node = str(folder / "node_modules/node/bin/node")
    _run([node, "--version"])
    return node


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"not done within {INSTALL_SECONDS} s: {' '.join(command)}") from None
    if done.returncode:
        raise NotInstalled(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
