"""A ledger where one can't be: where money is spent it is refused, elsewhere a temporary one serves."""

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
    assert "it is on a file system that other machines or a host share (nfs4)" in result.output
    assert "with --dg-ledger=sqlite:///PATH or DG_LEDGER" in result.output
    assert not vendor.connections
    assert re.search(r"\b[0-9a-f]{64}\b", result.output) is None, "the control secret, in a traceback"


def test_an_emulated_run_takes_a_temporary_ledger_instead(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project.use("network_disk/sitecustomize.py", "disk/test_one.py")
    local = tmp_path_factory.mktemp("local")
    environ = {**project.importable, "TMPDIR": str(local)}
    result = project.run("--dg-target=emulator", "--dg-budget=10m", env=environ)
    assert result.status == 0, result.output
    assert result.output.count("so this run's is") == 1
    (folder,) = local.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700, "it is where all users can look"
    assert {path.name for path in folder.iterdir()} == {"ledger.db"}


def test_a_live_run_refuses_a_ledger_where_locks_do_not_work(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.use("network_disk/no_locks", "disk/test_one.py")
    result = project.run("--dg-budget=10m", env={**vendor.environ, **project.importable})
    assert result.status == 1
    assert "flock locks don't work there (Operation not supported)" in result.output
    assert "with --dg-ledger=sqlite:///PATH or DG_LEDGER" in result.output
    assert not vendor.connections


@pytest.mark.slow
def test_the_ledger_may_be_elsewhere_than_the_project(
    project: Project, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project.use("network_disk/no_locks", "disk/test_one.py")
    local = f"sqlite:///{tmp_path_factory.mktemp('local')}/ledger.db"
    result = project.run("--dg-budget=10m", env={**vendor.environ, **project.importable, "DG_LEDGER": local})
    assert result.status == 0, result.output
    assert len(vendor.connections) == 1
