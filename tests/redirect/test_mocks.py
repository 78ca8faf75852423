"""What a test mocks stays mocked: small projects pass the same with the redirect, in a run or a test, and without."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from pytest_dgbudget.redirect import VARIABLE, RedirectSettings
from tests.redirect.names import AGENT_URL, KEY, TOKEN
from tests.support.project import Project
from tests.support.recording_server import RecordingServer

LIBRARIES = ["mocks_responses", "mocks_respx", "mocks_pytest_httpx", "mocks_aioresponses", "mocks_vcrpy"]


@pytest.fixture(autouse=True)
def _installed() -> None:
    for name in ("responses", "respx", "pytest_httpx", "aioresponses", "vcr"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install 'pytest-dgbudget[conformance]'")


@pytest.mark.slow
@pytest.mark.parametrize("redirected", ["run", "test", "not at all"])
def test_what_is_mocked_stays_mocked(redirected: str, project: Project, gateway: RecordingServer) -> None:
    project.use("mocks", *LIBRARIES)
    settings = RedirectSettings(gateway.netloc, TOKEN, AGENT_URL)
    env = {VARIABLE: settings.to_json(), "REDIRECTED": redirected, "DEEPGRAM_API_KEY": TOKEN}
    result = project.run("-q", "-p", "no:dgbudget", env=env)
    assert (result.status, gateway.requests) == (0, []), result.output
    assert "25 passed" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--dg-budget=10m",), ("-p", "no:dgbudget")], ids=["in a run", "without us"])
def test_what_is_mocked_stays_mocked_in_a_run_that_could_be_live(arguments: tuple[str, ...], project: Project) -> None:
    project.use(*LIBRARIES)
    result = project.run("-q", *arguments, env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 0, result.output
    assert "25 passed" in result.output
