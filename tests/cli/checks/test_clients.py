"""Each client that is installed is redirected, and none can reach anything but loopback."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from pytest_dgbudget.cli.checks import clients
from pytest_dgbudget.cli.checks.client_programs import HARD_CODED_KEY, NODE_PROGRAM, PYTHON_PROGRAMS
from tests.conformance import sdks
from tests.support.variables import clean_environment


def is_installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False


def test_each_client_that_is_installed_dials_the_gateway_and_others_are_named() -> None:
    lines = {check.name.removeprefix("redirect: "): check for check in clients.check_clients()}
    assert lines.keys() == {*PYTHON_PROGRAMS, "node ws"}
    for distribution in PYTHON_PROGRAMS:
        expected = "ok" if is_installed(distribution) else "skipped"
        assert (distribution, lines[distribution].result) == (distribution, expected), lines[distribution]
    assert lines["websockets"].found == f"{version('websockets')} dials the gateway"


def test_a_client_that_is_not_redirected_fails_and_dials_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_redirected", lambda environment, settings: dict(environment))
    (check,) = [each for each in clients.check_clients() if each.name == "redirect: websockets"]
    assert check.result == "failed"
    assert "a client that is not redirected would have dialled" in check.found
    assert check.to_do


@pytest.mark.parametrize("distribution", PYTHON_PROGRAMS)
def test_a_program_reaches_nothing_but_loopback(distribution: str) -> None:
    if not is_installed(distribution):
        pytest.skip(f"{distribution} is not installed")
    command = [sys.executable, "-c", PYTHON_PROGRAMS[distribution]]
    ended = subprocess.run(command, env=clean_environment({}), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "would have dialled" in ended.stderr


def test_a_key_that_arrives_is_no_redirect() -> None:
    head = f"GET /v1/agent/converse HTTP/1.1\r\nAuthorization: Token {'t' * 40}\r\n\r\n"
    assert clients._is_redirected(head, "t" * 40)
    assert not clients._is_redirected(head, "u" * 40)
    assert not clients._is_redirected(head.replace("converse", "else"), "t" * 40)
    assert not clients._is_redirected(f"{head}x: {HARD_CODED_KEY}", "t" * 40)


@pytest.mark.slow
def test_the_official_sdk_dials_the_gateway(tmp_path: Path) -> None:
    try:
        python = sdks.python_sdk(tmp_path / "sdk", "deepgram-sdk>=7")
    except sdks.NotInstalled as reason:
        pytest.skip(str(reason))
    check = clients._dial("deepgram-sdk", "7", [str(python), "-c", PYTHON_PROGRAMS["deepgram-sdk"]])
    assert check.result == "ok", check


@pytest.mark.slow
def test_node_dials_the_gateway_and_without_the_redirect_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        node = sdks.node_packages(tmp_path, "ws")
    except sdks.NotInstalled as reason:
        pytest.skip(str(reason))
    monkeypatch.chdir(tmp_path)
    assert clients._check_node().result == "ok"
    shown = NODE_PROGRAM.replace("() => {}", "(error) => console.log(error.message)")
    ended = subprocess.run([node, "-e", shown], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "dgbudget doctor: agent.deepgram.com is not dialled\n"
