"""What docs/your-application.md shows of Python runs, each piece in the file that it names."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import sdks
from tests.support.project import PROJECTS, Project, Result

DOCS = Path(__file__).parents[2] / "docs/your-application.md"
PIECE = re.compile(r"<!-- in: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
PIECES = [pytest.param(*found.groups(), id=found[1]) for found in PIECE.finditer(DOCS.read_text(encoding="utf-8"))]
KEY = "0123456789abcdef0123456789abcdef01234567"
EMULATED = ("--dg-budget=5m", "--dg-target=emulator")
SDKS = {
    "deepgram-sdk==4.8.1": "sdk_4.py",
    "deepgram-sdk==5.3.4": "sdk_5_to_7.py",
    "deepgram-sdk==6.1.1": "sdk_5_to_7.py",
    "deepgram-sdk==7.*": "sdk_5_to_7.py",
}


@pytest.mark.parametrize(("file", "piece"), PIECES)
def test_each_piece_is_in_a_file_that_is_run(file: str, piece: str) -> None:
    assert piece in (PROJECTS / file).read_text(encoding="utf-8")


def check(result: Result, **sessions: int) -> None:
    assert result.status == 0, result.output
    assert {test["nodeid"].partition("::")[2]: test["sessions"] for test in result.usage["tests"]} == sessions


@pytest.mark.slow
@pytest.mark.timeout(2 * sdks.INSTALL_SECONDS)
@pytest.mark.parametrize("requirement", SDKS)
def test_an_application_with_the_official_sdk(project: Project, tmp_path: Path, requirement: str) -> None:
    try:
        python = sdks.python_sdk(tmp_path / "sdk", requirement)
    except sdks.NotInstalled as reason:
        pytest.skip(str(reason))
    project.use("your_application/sdk_4.py", "your_application/sdk_5_to_7.py", "your_application/test_sdks.py")
    project.write("sdks.txt", f"{python} {SDKS[requirement]}\n")
    check(project.run(*EMULATED), **{"test_sdk[0]": 1})


@pytest.mark.slow
def test_clients(project: Project) -> None:
    project.use("your_application/test_clients.py")
    check(project.run(*EMULATED), test_websockets=1, test_aiohttp=1, test_websocket_client=1)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], EMULATED])
def test_an_application_that_is_started_once(project: Project, arguments: list[str]) -> None:
    project.use("your_application/server.py", "your_application/test_started_once.py")
    check(project.run(*arguments), test_one_visit=1, test_two_visits=2)


@pytest.mark.slow
def test_what_needs_a_key_is_skipped_where_there_is_none(project: Project) -> None:
    project.use("your_application/test_needs_a_key.py")
    assert "1 skipped" in project.run("--dg-budget=5m").output
    check(project.run(*EMULATED), test_the_agent_says_welcome=1)


@pytest.mark.slow
def test_a_key_under_another_name(project: Project) -> None:
    project.use("your_application/other_name.ini", "your_application/test_other_name.py")
    result = project.run("-c", "other_name.ini", *EMULATED, env={"VOICE_KEY": KEY})
    check(result, test_the_agent_says_welcome=1)


@pytest.mark.slow
def test_a_dummy_in_a_conftest(project: Project) -> None:
    project.use("your_application/dummy")
    check(project.run("--dg-budget=5m", env={"DEEPGRAM_API_KEY": KEY}), test_the_agent_says_welcome=1)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def variables_of_compose(project: Project, token: str, port: int) -> dict[str, str]:
    """Return the environment that compose.yaml gives the application; its gateway is at this port."""
    text = (project.path / "compose.yaml").read_text(encoding="utf-8")
    text = text.replace("${DG_APP_TOKEN}", token).replace("8787", str(port))
    return dict(re.findall(r"^ +([A-Z_]+): (.+)$", text, re.MULTILINE))


@pytest.mark.slow
def test_an_application_in_a_container(project: Project, port: int) -> None:
    project.use("your_application/compose")
    token = secrets.token_hex(32)
    variables = {**project.importable, **variables_of_compose(project, token, port)}
    assert variables.keys() >= {"DEEPGRAM_API_KEY", "DEEPGRAM_AGENT_URL"}
    command = [sys.executable, str(project.path / "container.py")]
    with subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True) as container:
        assert container.stdout is not None
        project.write("port.txt", container.stdout.readline().strip())
        result = project.run(*EMULATED, f"--dg-listen=127.0.0.1:{port}", env={"DG_APP_TOKEN": token})
        container.terminate()
    check(result, test_the_agent_says_welcome=1)
