"""Fixtures for all tests: an environment without keys, a vendor of ours, and projects with pytests of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.postgres import postgres as postgres
from tests.support.project import EXAMPLES, Project
from tests.support.variables import NO_VENDOR, is_scrubbed
from tests.support.vendor import Vendor

collect_ignore_glob = ["projects/*"]  # they run in pytests of their own, see ``Project.use``

settings.register_profile("quick", deadline=None, max_examples=20)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("quick")  # unless --hypothesis-profile says otherwise


def pytest_configure(config: pytest.Config) -> None:
    # Where a machine forbids it, each of the suite's thousands of processes would compile everything anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if version("pytest-asyncio") < "1":  # it leaves an event loop open, which is collected in some later test
        config.addinivalue_line(
            "filterwarnings", r"ignore:unclosed <socket\.socket fd=\d+, family=.*AF_UNIX:ResourceWarning"
        )
        config.addinivalue_line("filterwarnings", r"ignore:unclosed event loop:ResourceWarning")


@pytest.fixture(scope="session")
def _temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our own: other programs on this machine have their files in the system's."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _nothing_stays_in_the_temporary_folder(_temporary_folder: Path) -> Iterator[None]:
    """What a gateway puts there when it can't write elsewhere stays; a test that wants that gives it a TMPDIR."""
    yield
    found = [ours for name in ("dgbudget-*", "gateway-*") for ours in _temporary_folder.glob(name)]
    for ours in found:
        shutil.rmtree(ours) if ours.is_dir() else ours.unlink()
    # Init scripts of a pytest that was killed stay where no gateway was left to remove them.
    left = [ours for ours in found if not ours.name.startswith("dgbudget-scripts-")]
    assert not left, "a gateway could not write where it should"


@pytest.fixture(scope="session", autouse=True)
def _no_key_no_proxy_for_any_fixture() -> Iterator[None]:
    """No fixture of a module can reach a vendor either, and no project of its own looks like a worker of ours."""
    with pytest.MonkeyPatch.context() as patch:
        _scrub_environment(patch)
        yield


@pytest.fixture(autouse=True)
def _no_key_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can reach a vendor, whatever the machine it runs on or a fixture has in its environment."""
    _scrub_environment(monkeypatch)


def _scrub_environment(patch: pytest.MonkeyPatch) -> None:
    for name in filter(is_scrubbed, list(os.environ)):
        patch.delenv(name)
    for name, value in NO_VENDOR.items():
        patch.setenv(name, value)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    project.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    yield project
    project.end()


@pytest.fixture
def examples(project: Project) -> Project:
    """The examples, copied into a project of their own."""
    shutil.copytree(EXAMPLES, project.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    return project
