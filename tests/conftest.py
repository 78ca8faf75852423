"""What every test stands on: an environment without keys, a vendor of ours, and pytests in processes of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.vendor import Vendor

collect_ignore_glob = ["projects/*"]  # tests for pytests of their own, see ``Project.use``
_SCRUBBED = ("DEEPGRAM_", "DG_", "DGBUDGET_")
# Buffering is one of them: what a user's pipe shows late, a test must not see at once.
_OTHERS = {"PYTEST_ADDOPTS", "PYTHONWARNINGS", "PYTHONUNBUFFERED"}
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def pytest_configure() -> None:
    # Where a machine forbids it, each of the suite's thousands of processes would compile everything anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def _temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ours alone: whatever else runs on this machine has its own files in the system's."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _nothing_stays_in_the_temporary_folder(_temporary_folder: Path) -> Iterator[None]:
    """What a gateway puts there when it can't write elsewhere stays; a test that wants that gives it a TMPDIR."""
    yield
    left = [ours for name in ("dgbudget-*", "gateway-*") for ours in _temporary_folder.glob(name)]
    for ours in left:
        shutil.rmtree(ours) if ours.is_dir() else ours.unlink()
    assert not left, "a gateway could not write where it should"


@pytest.fixture(autouse=True)
def _no_key_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can reach a vendor, whatever the machine it runs on has in its environment."""
    for name in list(os.environ):
        if name.startswith(_SCRUBBED) or name.lower() in _PROXIES or name in _OTHERS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("DG_AGENT_URL", "ws://127.0.0.1:1/v1/agent/converse")
    monkeypatch.setenv("DG_API_URL", "http://127.0.0.1:1")


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
