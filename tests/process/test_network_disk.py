"""A ledger on a network file system: where money is spent it is refused, elsewhere a temporary one serves."""

from __future__ import annotations

import re

import pytest

from tests.support.project import Project
from tests.support.vendor import Vendor

# What the gateway reads of the system's mounts says that the project is on NFS.
PROJECT_IS_ON_NFS = """
import os, pathlib
_read_text = pathlib.Path.read_text

def read_text(path, *arguments, **named):
    if str(path) == "/proc/self/mountinfo":
        return f"36 35 98:0 / {os.path.dirname(__file__)} rw - nfs4 server:/ rw"
    return _read_text(path, *arguments, **named)

pathlib.Path.read_text = read_text
"""
OPENS = "def test_opens(voice_agent):\n    with voice_agent.connect(): pass\n"


def test_a_live_run_refuses_a_ledger_on_a_network_file_system(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.write("sitecustomize.py", PROJECT_IS_ON_NFS)
    project.write("test_it.py", OPENS)
    result = project.run("--dg-budget=10m", env={**vendor.environ, "PYTHONPATH": str(project.path)})
    assert result.status == 1
    assert "is on a network file system (nfs4)" in result.output
    assert not vendor.connections
    assert re.search(r"\b[0-9a-f]{64}\b", result.output) is None, "the control secret, in a traceback"


def test_an_emulated_run_takes_a_temporary_ledger_instead(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project.write("sitecustomize.py", PROJECT_IS_ON_NFS)
    project.write("test_it.py", OPENS)
    environ = {"PYTHONPATH": str(project.path), "TMPDIR": str(tmp_path_factory.mktemp("local"))}
    result = project.run("--dg-target=emulator", "--dg-budget=10m", env=environ)
    assert result.status == 0, result.output
    assert result.output.count("so this run's is") == 1
