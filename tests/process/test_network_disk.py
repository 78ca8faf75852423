"""A ledger on a network file system: where money is spent it is refused, elsewhere a temporary one serves."""

from __future__ import annotations

import re

import pytest

from tests.support.project import Project
from tests.support.vendor import Vendor


def test_a_live_run_refuses_a_ledger_on_a_network_file_system(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.use("network_disk/sitecustomize.py", "disk/test_one.py")
    result = project.run("--dg-budget=10m", env={**vendor.environ, **project.importable})
    assert result.status == 1
    assert "is on a network file system (nfs4)" in result.output
    assert not vendor.connections
    assert re.search(r"\b[0-9a-f]{64}\b", result.output) is None, "the control secret, in a traceback"


def test_an_emulated_run_takes_a_temporary_ledger_instead(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project.use("network_disk/sitecustomize.py", "disk/test_one.py")
    environ = {**project.importable, "TMPDIR": str(tmp_path_factory.mktemp("local"))}
    result = project.run("--dg-target=emulator", "--dg-budget=10m", env=environ)
    assert result.status == 0, result.output
    assert result.output.count("so this run's is") == 1
