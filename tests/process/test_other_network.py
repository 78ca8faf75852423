"""An application in a network of its own, as a container is, reaches the gateway by another address of this host."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.own_network import own_network
from tests.support.project import PYTEST, Project, Result
from tests.support.two_networks import HERE

ROOT = Path(__file__).parents[2]
TOKEN = "the-token-of-an-application-in-a-container"
PORT = 8787  # in a network where nobody else is
OPENED = {f"test_opens[{number}]": "passed" for number in range(4)}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def project(project: Project) -> Project:
    project.use("other_network")
    return project


def run(project: Project, listen: str, *arguments: str, token: str | None = None) -> Result:
    command = [*own_network(), sys.executable, "-m", "tests.support.two_networks", *PYTEST]
    environment = {
        "PYTHONPATH": str(ROOT),
        "DEEPGRAM_AGENT_URL": f"ws://{HERE}:{PORT}/v1/agent/converse",
        **({} if token is None else {"DG_APP_TOKEN": token}),
    }
    options = ["--dg-target=emulator", "--dg-budget=5m", f"--dg-listen={listen}:{PORT}"]
    return project.result(project.launch([*command, *options, *arguments], env=environment))


def check(result: Result) -> None:
    assert result.outcomes() == {**OPENED, "test_is_cut": "failed"}, result.output
    sessions = result.usage["sessions"]
    assert sorted(session["nodeid"].partition("::")[2] for session in sessions) == sorted(result.outcomes())
    (cut,) = (session for session in sessions if "test_is_cut" in session["nodeid"])
    assert (cut["closed_by"], cut["seconds"] <= 1) == ("test-budget", True)


@pytest.mark.parametrize("listen", [HERE, "0.0.0.0"])
def test_one_that_was_started_before_pytest_is_metered_and_cut(project: Project, listen: str) -> None:
    check(run(project, listen, token=TOKEN))


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_one_that_a_fixture_starts_is_metered_and_cut(project: Project, workers: str) -> None:
    check(run(project, HERE, workers))
