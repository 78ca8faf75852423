"""Packages with which tests change their own world: docs/fixture.md has a table of them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.support.project import Project

pytestmark = pytest.mark.slow


def need(package: str) -> None:
    """Skip where a package is not installed; imported here, eventlet would warn of our own forks."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


GEVENT = "from gevent import monkey\nmonkey.patch_all({})\n"
EVENTLET = "import eventlet\neventlet.monkey_patch({})\n"


@pytest.mark.parametrize("package", ["freezegun", "freezegun.real_asyncio", "time_machine"])
def test_frozen_time_stops_nothing_of_ours(project: Project, package: str) -> None:
    need(package.split(".")[0])
    project.use("patching_packages/test_frozen.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off", env={"TIME_PACKAGE": package})
    assert result.status == 0, result.output
    assert "was replaced" not in result.output


@pytest.mark.parametrize(
    ("package", "conftest", "outcome"),
    [
        ("gevent", GEVENT.format("thread=False, subprocess=False, select=False, socket=False"), "2 passed"),
        ("gevent", GEVENT.format(""), "voice_agent needs threads of the system's"),
        ("eventlet", EVENTLET.format("thread=False"), "2 passed"),
        ("eventlet", EVENTLET.format(""), "voice_agent needs threads of the system's"),
    ],
)
def test_green_threads_work_or_fail_at_once(project: Project, package: str, conftest: str, outcome: str) -> None:
    need(package)
    project.write("conftest.py", conftest)
    project.use("patching_packages/test_session.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert outcome in result.output


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        (["--disable-socket", "--allow-unix-socket"], "2 passed"),
        (["--disable-socket"], "set --allow-unix-socket"),
        (["--allow-hosts=192.0.2.1"], "2 passed"),
    ],
)
def test_pytest_socket_is_no_obstacle_or_named(project: Project, options: list[str], outcome: str) -> None:
    need("pytest_socket")
    project.use("patching_packages/test_session.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off", *options)
    assert outcome in result.output
