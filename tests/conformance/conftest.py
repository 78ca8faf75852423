"""Emulators as users start them, one for each pace, and SDKs that are installed once for all tests of a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.conformance import sdks

COMMAND = "import sys; from pytest_dgbudget.emulator import main; main(sys.argv[1:])"


@pytest.fixture(scope="session", params=["vendor", "max"])
def addresses(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The first line of an emulator, its ``pace`` and the file of its ``journal``."""
    journal = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    command = [sys.executable, "-c", COMMAND, "--pace", request.param, "--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        try:
            yield {**json.loads(emulator.stdout.readline()), "pace": request.param, "journal": str(journal)}
        finally:
            emulator.terminate()
            emulator.wait(10)


@pytest.fixture(scope="session")
def python_sdk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the interpreter that has this SDK; skip the test where it can't be installed."""

    @cache
    def installed(requirement: str) -> Path | str:
        try:
            return sdks.python_sdk(tmp_path_factory.mktemp("sdk"), requirement)
        except sdks.NotInstalled as reason:
            return str(reason)

    return lambda requirement: _or_skip(requirement, installed(requirement))


@pytest.fixture(scope="session")
def node_sdk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], list[str]]:
    """Return the command that runs a program beside the Node SDK; skip the test where it can't be installed."""

    @cache
    def installed() -> Path | str:
        folder = tmp_path_factory.mktemp("node")
        try:
            node = sdks.node_sdk(folder)
        except sdks.NotInstalled as reason:
            return str(reason)
        program = folder / "node_client.mjs"
        program.write_text(Path(__file__).with_name("node_client.mjs").read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "node").symlink_to(node)
        return program

    def command() -> list[str]:
        program = _or_skip("@deepgram/sdk", installed())
        return [str(program.with_name("node")), str(program)]

    return command


def _or_skip(what: str, installed: Path | str) -> Path:
    if isinstance(installed, str):
        pytest.skip(f"{what} could not be installed: {installed}")
    return installed
