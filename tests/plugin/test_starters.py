"""Applications as the vendor's starters have them (URL in the code, key at import, a server) run unchanged."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conformance import sdks
from tests.support.elsewhere import elsewhere
from tests.support.project import Project, Result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * sdks.INSTALL_SECONDS)]

ARGUMENTS = ("--dg-budget=5m", "--dg-target=emulator")
KEY_IN_A_FILE = "DEEPGRAM_API_KEY=0123456789abcdef0123456789abcdef01234567\n"
PYTHON_APPLICATIONS = {
    "flask_sock": ("test_flask.py", {"test_flask_answers_one_visitor": 1, "test_flask_answers_two_visitors": 2}),
    "fastapi": (
        "test_fastapi.py",
        {
            "test_fastapi_answers_one_visitor": 1,
            "test_fastapi_answers_two_visitors": 2,
            "test_fastapi_lets_a_page_dial_the_agent_itself": 1,
        },
    ),
    "websockets": ("test_telephone.py", {"test_a_caller_is_greeted": 1, "test_two_callers_are_greeted": 2}),
}
LIVE_SERVERS = {
    "pytest_django": (
        "test_pytest_django.py",
        ("--ds=django_app",),
        {"test_django_is_asked_once": 1, "test_django_is_asked_twice": 2},
    ),
    "pytest_flask": (
        "test_pytest_flask.py",
        ("-p", "no:django"),
        {"test_flask_process_answers_one_visitor": 1, "test_flask_process_answers_two_visitors": 2},
    ),
}
both = pytest.mark.parametrize("workers", ["-n0", "-n2"])


@pytest.fixture(scope="session")
def node_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package that the application in Node needs."""
    folder = tmp_path_factory.mktemp("node")
    try:
        sdks.node_packages(folder, "ws")
    except sdks.NotInstalled as reason:
        pytest.skip(str(reason))
    return folder


def sessions_of(result: Result) -> dict[str, int]:
    return {test["nodeid"].partition("::")[2]: test["sessions"] for test in result.usage["tests"]}


def check(result: Result, expected: dict[str, int]) -> None:
    """Each session belongs to its test, and nothing went past the gateway."""
    assert result.status == 0, result.output
    assert sessions_of(result) == expected
    assert set(result.outcomes().values()) == {"passed"}
    assert result.usage["run"]["bypass"] == "refused"
    assert result.usage["run"]["verdict"] == "within"


@both
@pytest.mark.parametrize("package", PYTHON_APPLICATIONS)
def test_a_python_application_runs_unchanged(project: Project, package: str, workers: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    project.use("starters")
    project.write(".env", KEY_IN_A_FILE)
    tests, expected = PYTHON_APPLICATIONS[package]
    check(project.run(workers, *ARGUMENTS, tests), expected)


@both
def test_a_node_application_runs_unchanged(project: Project, node_project: Path, workers: str) -> None:
    project.use("starters")
    (project.path / "node_modules").symlink_to(node_project / "node_modules")
    result = project.run(workers, *ARGUMENTS, "test_node.py")
    check(result, {"test_node_answers_one_visitor": 1, "test_node_answers_two_visitors": 2})


@both
@pytest.mark.parametrize("plugin", LIVE_SERVERS)
def test_a_live_server_runs_unchanged(project: Project, plugin: str, workers: str) -> None:
    tests, options, expected = LIVE_SERVERS[plugin]
    project.use("starters/flask_app.py", "starters/visitor.py", "live_servers")
    check(project.run(workers, *ARGUMENTS, *options, tests, env=elsewhere("live-servers", plugin)), expected)
