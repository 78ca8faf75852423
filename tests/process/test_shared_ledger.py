"""Runs whose ledger is on a server: many serve one at once, and go on where its connections are lost."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import gateway_of, wait_until
from tests.support.project import Project
from tests.support.vendor import Vendor

ONE = ("--dg-budget=10m", "--dg-run-id=one")
WELCOMED = "SELECT count(*) FROM welcome"
# Gateways show that they live by locks of their connections.
CONNECTED = "SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
ENDS = "SELECT lease_end.how FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id"


def welcomed(server: PostgresServer, url: str, sessions: int) -> None:
    """Wait until so many sessions are open."""
    made = "SELECT to_regclass('welcome') IS NOT NULL"
    wait_until(lambda: server.execute(made, url) == [(True,)] and server.execute(WELCOMED, url) == [(sessions,)], 40)


def start_waiting(project: Project, url: str, *arguments: str) -> subprocess.Popen[str]:
    return project.start("test_waits.py", *ONE, *arguments, env={"DG_LEDGER": url})


def test_a_run_is_recorded_on_a_server_and_its_password_is_nowhere(project: Project, postgres: PostgresServer) -> None:
    project.use("disk/test_one.py")
    url = postgres.new_ledger()
    with_password = url.replace("postgres@", "postgres:hunter2@")
    result = project.run("test_one.py", *ONE, env={"DG_LEDGER": with_password})
    assert result.status == 0, result.output
    assert result.usage["run"]["verdict"] == "within"
    assert postgres.execute(ENDS, url) == [("settled",)]
    written = [path for path in project.path.rglob("*") if path.is_file()]
    assert not [path for path in written if b"hunter2" in path.read_bytes()]
    assert "hunter2" not in result.output
    assert not (project.path / ".dgbudget/ledger.db").exists()


@pytest.mark.slow
def test_the_password_is_in_no_argument_of_a_gateway_and_refused_in_those_of_pytest(
    project: Project, postgres: PostgresServer
) -> None:
    project.use("one_ledger/test_waits.py")
    url = postgres.new_ledger()
    with_password = url.replace("postgres@", "postgres:hunter2@")
    process = start_waiting(project, with_password)
    welcomed(postgres, url, 1)
    assert b"hunter2" not in Path(f"/proc/{gateway_of(process.pid)}/cmdline").read_bytes()
    project.write("go-on", "")
    assert project.result(process).status == 0
    refused = project.run(f"--dg-ledger={with_password}")
    assert refused.status == pytest.ExitCode.USAGE_ERROR
    assert "hunter2" not in refused.output
    assert "DG_LEDGER" in refused.output


@pytest.mark.slow
def test_two_runs_with_one_id_share_a_server_and_what_was_used_is_settled_after_a_cut(
    project: Project, postgres: PostgresServer
) -> None:
    project.use("one_ledger/test_waits.py")
    url = postgres.new_ledger()
    runs = [start_waiting(project, url, f"--dg-report-dir=report-{number}") for number in range(2)]
    welcomed(postgres, url, 2)
    assert postgres.cut_connections() >= 2
    wait_until(lambda: postgres.execute(CONNECTED)[0][0] >= 2)
    project.write("go-on", "")
    results = [project.result(process) for process in runs]
    assert [result.status for result in results] == [0, 0], [result.output for result in results]
    assert all("verdict: within" in result.output for result in results), [result.output for result in results]
    assert postgres.execute(ENDS, url) == [("settled",)] * 2
    used = postgres.execute("SELECT count(*) FROM usage WHERE confirmed = 1 AND ms > 0", url)
    assert used == [(2,)]


@pytest.mark.slow
def test_a_run_that_ends_while_another_with_its_id_has_a_session_open_says_what_that_holds(
    project: Project, postgres: PostgresServer
) -> None:
    project.use("one_ledger/test_waits.py", "disk/test_one.py")
    url = postgres.new_ledger()
    waiting = start_waiting(project, url, "--dg-test-budget=20s", "--dg-report-dir=other")
    welcomed(postgres, url, 1)
    result = project.run("test_one.py", *ONE, env={"DG_LEDGER": url})
    assert "others with this run id have sessions open: the 20s set aside for them" in result.output
    project.write("go-on", "")
    assert "others with this run id" not in project.result(waiting).output


@pytest.mark.slow
def test_whoever_ends_first_is_reconciled_by_what_has_ended_and_whoever_ends_last_by_all(
    project: Project, postgres: PostgresServer, vendor: Vendor
) -> None:
    project.use("one_ledger/test_waits.py", "disk/test_one.py")
    url = postgres.new_ledger()
    environ = {**vendor.environ, "DG_LEDGER": url}
    required = (*ONE, "--dg-reconcile=require", "--dg-reconcile-timeout=5s")
    waiting = project.start("test_waits.py", *required, "--dg-report-dir=other", env=environ)
    welcomed(postgres, url, 1)
    first = project.run("test_one.py", *required, env=environ)
    assert (first.status, first.usage["run"]["at_risk_seconds"]) == (0, 0), first.output
    assert "others with this run id are still under way" in first.output
    assert "nobody here saw its end" not in first.output
    assert "charged but not metered" not in first.output
    project.write("go-on", "")
    last = project.result(waiting)
    assert last.status == 0, last.output
    assert "reconciliation: reconciled" in last.output
    assert "under way" not in last.output


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_server_that_is_gone_for_good_holds_up_nobody_for_long(project: Project) -> None:
    project.use("one_ledger/test_waits.py")
    project.expects_log = True
    with postgres_server() as server:
        url = server.new_ledger()
        process = start_waiting(project, url)
        welcomed(server, url, 1)
        os.kill(int(Path(server.folder, "data/postmaster.pid").read_text(encoding="ascii").split()[0]), signal.SIGQUIT)
        project.write("go-on", "")
        result = project.result(process, timeout=60)
    assert "1 passed" in result.output
    assert f"the ledger {url} can't be reached" in result.output


@pytest.mark.slow
def test_a_folder_that_can_not_be_written_beside_such_a_ledger_is_named_and_where_else_it_may_be(
    project: Project, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project.use("disk/test_one.py")
    project.write(".dgbudget", "a file in its place")
    environ = {"DG_LEDGER": postgres.new_ledger(), "TMPDIR": str(project.path)}
    result = project.run("--dg-report-dir=report", "test_one.py", *ONE, env=environ)
    assert result.status == 1
    assert f"the folder {project.path / '.dgbudget'} can't be written" in result.output
    assert "--rootdir" in result.output
    assert "sqlite:///" not in result.output
    elsewhere = tmp_path_factory.mktemp("rootdir")
    result = project.run("--dg-report-dir=report", f"--rootdir={elsewhere}", "test_one.py", *ONE, env=environ)
    assert result.status == 0, result.output
    assert (elsewhere / ".dgbudget").is_dir()
