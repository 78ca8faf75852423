"""A whole run that dials with a key of its own: a rehearsal, at an emulator that makes and deletes keys."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import DGBUDGET
from tests.support.ledger import rows_of
from tests.support.processes import gateway_of, wait_until
from tests.support.project import Project
from tests.support.rehearsal import Rehearsal, rehearsal
from tests.support.slow import slow

_ANY_KEY = re.compile(rb"dgemu_[0-9a-f]{40}")


@pytest.fixture
def vendor() -> Iterator[Rehearsal]:
    with rehearsal() as running:
        yield running


def files_with_a_key(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and _ANY_KEY.search(path.read_bytes())]


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_run_is_dialled_with_its_own_key_reconciled_and_leaves_none(
    project: Project, vendor: Rehearsal, workers: str
) -> None:
    project.use("reconciliation/test_it.py")
    project.write("pytest.ini", "[pytest]\ndg_artifacts = always\n")
    project.expects_log = True
    env = {**vendor.environ, "DGBUDGET_LOG": "debug"}
    result = project.run("--dg-run-key", "--dg-reconcile=require", "--junitxml=j.xml", "-v", workers, env=env)
    assert result.status == 0, result.output
    assert result.usage["reconciliation"]["verdict"] == "reconciled"
    ((made,),) = rows_of(project.path, "SELECT id FROM run_key")
    assert {row["api_key_id"] for row in vendor.rows()} == {made}
    assert vendor.made_keys() == {}
    assert rows_of(project.path, "SELECT run_key FROM run_key_end") == [(made,)]
    assert f"dialled with a key of the run's own: {made} (deleted)\n" in result.output
    ((key),) = result.usage["run"]["keys"]
    assert (key["id"], key["deleted_at"] is None) == (made, False)
    (log,) = (project.path / ".dgbudget").glob("gateway-*.log")
    assert f"run key made run_key={made}" in log.read_text(encoding="utf-8")
    assert not files_with_a_key(project.path)
    assert not _ANY_KEY.search(result.output.encode())


@pytest.mark.parametrize("how", [slow("on"), slow("require")])
def test_where_no_key_can_be_made_that_is_said_once(project: Project, vendor: Rehearsal, how: str) -> None:
    project.use("reconciliation/test_it.py")
    vendor.refuse(403)
    result = project.run(f"--dg-run-key={how}", "--dg-reconcile=off", env=vendor.environ)
    vendor.refuse_nothing()
    assert result.output.count("no key could be made for this run, so ") == 1, result.output
    assert result.status == (0 if how == "on" else 1)
    assert len(vendor.rows()) == (3 if how == "on" else 0)
    refused = "there is no key for this run, which --dg-run-key=require asks for: making a key: HTTP 403"
    assert (refused in result.output) == (how == "require"), result.output


@pytest.mark.slow
def test_a_run_in_which_nothing_could_be_opened_is_not_reconciled(project: Project, vendor: Rehearsal) -> None:
    project.use("reconciliation/test_it.py")
    vendor.refuse(403)
    result = project.run("--dg-run-key=require", "-n0", env=vendor.environ)
    vendor.refuse_nothing()
    assert result.usage["reconciliation"]["verdict"] == "inconclusive", result.output
    assert "no session was opened, because there was no key for this run" in result.output
    assert "so sessions were refused (503 DGBUDGET_RUN_KEY): " in result.output
    assert "no session reached the gateway" not in result.output
    assert result.usage["run"]["keys"] == []


@pytest.mark.slow
def test_a_gateway_that_takes_over_makes_a_key_of_its_own_and_deletes_both(project: Project, vendor: Rehearsal) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_killed.py")
    result = project.run("--dg-run-key", "--dg-reconcile=off", env=vendor.environ)
    assert result.usage["run"]["sessions"] == 3, result.output
    keys = rows_of(project.path, "SELECT id FROM run_key ORDER BY rowid")
    assert len(keys) == 2
    assert sorted(rows_of(project.path, "SELECT run_key FROM run_key_end")) == sorted(keys)
    assert vendor.made_keys() == {}


@pytest.mark.slow
def test_a_gateway_that_is_told_to_end_deletes_its_key_and_its_successor_its_own(
    project: Project, vendor: Rehearsal
) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_told_to_end.py")
    result = project.run("--dg-run-key=require", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    assert len(rows_of(project.path, "SELECT * FROM run_key_end")) == 2
    assert vendor.made_keys() == {}


@pytest.mark.slow
def test_a_session_without_the_scope_is_reported_as_that(project: Project, vendor: Rehearsal) -> None:
    project.use("reconciliation/test_it.py")
    project.write("pytest.ini", "[pytest]\ndg_run_key_scopes = usage:read\n")
    result = project.run("--dg-run-key", env=vendor.environ)
    assert result.status == 0, result.output
    assert result.output.count("lacks a scope: add it to dg_run_key_scopes, which is usage:read") == 1
    assert vendor.made_keys() == {}
    assert result.usage["run"]["sessions"] == 3


@pytest.mark.slow
def test_what_a_crash_left_is_swept(project: Project, vendor: Rehearsal) -> None:
    """Pytest and its gateway are killed while a session is open."""
    project.use("reconciliation/test_long.py")
    process = project.start("--dg-run-key", env=vendor.environ)
    wait_until(lambda: len(vendor.made_keys()) == 1 and has_welcome(project.path), 60)
    gateway = gateway_of(process.pid)
    os.kill(gateway, signal.SIGSTOP)
    os.killpg(process.pid, signal.SIGKILL)
    os.kill(gateway, signal.SIGKILL)
    project.result(process)
    project.expects_log = True
    assert len(vendor.made_keys()) == 1
    swept = project.result(project.launch([*DGBUDGET, "sweep"], env=vendor.environ))
    assert swept.status == 0, swept.output
    assert vendor.made_keys() == {}
    assert rows_of(project.path, "SELECT how FROM lease_end") == [("orphaned",)]
    assert not _ANY_KEY.search(swept.output.encode())


@pytest.mark.slow
def test_what_was_dialled_past_the_run_with_its_key_is_found_in_a_shared_project(
    project: Project, vendor: Rehearsal
) -> None:
    project.use("reconciliation/test_it.py")
    vendor.session()  # a colleague's
    vendor.fault("bill-foreign", seconds=30)
    result = project.run("--dg-run-key", "--dg-reconcile-timeout=2s", env=vendor.environ)
    reconciliation = result.usage["reconciliation"]
    assert reconciliation["verdict"] == "discrepancy", result.output
    classes = [line["class"] for line in reconciliation["lines"]]
    assert sorted(set(classes)) == ["matched", "missing-in-ledger"]
    assert classes.count("matched") == 3
    (foreign,) = {line["foreign"]["run_key"] for line in reconciliation["lines"] if line["foreign"] is not None}
    assert (foreign,) in rows_of(project.path, "SELECT id FROM run_key")
    assert f"under the run's own key {foreign} (duration: " in result.output
    assert "its row says /v1/agent/converse, streaming, hosted" in result.output


@pytest.mark.slow
def test_a_colleagues_sessions_are_not_in_the_figures_of_the_key(project: Project, vendor: Rehearsal) -> None:
    project.use("reconciliation/test_it.py")
    vendor.session()
    result = project.run("--dg-run-key", "--dg-reconcile=require", env=vendor.environ)
    assert result.status == 0, result.output
    assert len(vendor.rows()) == 4
    assert len(result.usage["reconciliation"]["lines"]) == 3


@pytest.mark.slow
def test_a_run_is_reconciled_later_by_its_key_although_that_is_gone(project: Project, vendor: Rehearsal) -> None:
    project.use("reconciliation/test_it.py")
    result = project.run("--dg-run-key", "--dg-reconcile-timeout=0", env=vendor.environ)
    assert (result.status, result.usage["reconciliation"]["verdict"]) == (0, "pending"), result.output
    assert vendor.made_keys() == {}
    later = project.result(project.launch([*DGBUDGET, "reconcile", "--pending"], env=vendor.environ))
    assert later.status == 0, later.output
    reconciliation = later.usage["reconciliation"]
    assert (reconciliation["verdict"], reconciliation["totals"]["by"]) == ("reconciled", "key")


def has_welcome(folder: Path) -> bool:
    return bool(rows_of(folder, "SELECT * FROM welcome"))
