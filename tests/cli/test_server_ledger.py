"""Commands on a ledger that is on a server."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.cli.checks.ledger import check_ledger
from pytest_dgbudget.cli.options import resolve_for_statement
from pytest_dgbudget.ledger.ledger import Ledger
from tests.cli.conftest import DGBUDGET
from tests.process.test_disk import power_fails
from tests.support.ledger import leased, open_ledger
from tests.support.past import live_run, spend
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.statement import unsettled
from tests.support.vendor import Vendor


@pytest.fixture
def url(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project whose ledger is on a server, with nothing in it yet; commands run there."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    url = postgres.new_ledger()
    monkeypatch.setenv("DG_LEDGER", url)
    return url


def lost(url: str) -> Ledger:
    ledger = open_ledger(url, id="lost", run="lost", host="elsewhere")
    ledger.record_dial(leased(ledger, ledger.begin_attempt("t", "", 10_000)))
    return ledger


def swept(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["sweep", "--json"]) == 0
    return [lease["result"] for lease in json.loads(capsys.readouterr().out)["leases"]]


def test_sweep_ends_what_nobody_holds_whose_time_has_passed(
    url: str, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = lost(url)
    postgres.execute("UPDATE lease SET ends_at = '2026-01-01T00:00:00.000Z'", url)
    assert swept(capsys) == ["open"], "its gateway is connected"
    ledger.close()
    assert swept(capsys) == ["orphaned"]
    assert swept(capsys) == []


def test_doctor_tries_it_and_leaves_it_as_it_is(
    url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = f"SELECT count(*) FROM pg_tables WHERE schemaname = '{url.rpartition('%3D')[2]}'"
    check = check_ledger(resolve_for_statement(Namespace()))
    assert (check.result, "can be written, and has 0 runs" in check.found) == ("ok", True)
    assert postgres.execute(tables) == [(0,)]
    monkeypatch.setenv("DG_LEDGER", "postgresql://user:hunter2@127.0.0.1:1/db")
    check = check_ledger(resolve_for_statement(Namespace()))
    assert (check.result, "can't be reached" in check.found) == ("failed", True)
    assert "hunter2" not in f"{check}"


def test_a_support_bundle_is_made_of_a_run_that_is_over(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = live_run(url, "nightly")
    spend(ledger)
    with pytest.raises(SystemExit):
        main(["support-bundle", "nightly"])
    assert "run nightly is not over" in capsys.readouterr().err
    ledger.end_invocation(0)
    ledger.close()
    assert main(["support-bundle", "nightly"]) == 0
    with ZipFile(tmp_path / "dgbudget-support-nightly.zip") as bundle:
        assert "dgbudget-nightly" in bundle.read("dgbudget-support-nightly/summary.txt").decode()


def test_where_no_run_has_been_that_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sweep"])
    assert f"there is no ledger {url}" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.slow
def test_runs_are_reconciled_and_audited_later_of_which_one_was_killed(
    project: Project, vendor: Vendor, postgres: PostgresServer
) -> None:
    project.expects_log = True
    project.use("reconciliation/test_it.py", "killed/test_endless.py")
    url = postgres.new_ledger()
    environ = {**vendor.environ, "DG_LEDGER": url}
    vendor.bill.entries = lambda: unsettled(vendor.billed())
    options = ("--dg-budget=5m", "--dg-reconcile-timeout=1s")
    ended = project.run(*options, "--dg-run-id=ended", "test_it.py", env=environ)
    assert ended.usage["reconciliation"]["verdict"] == "pending", ended.output
    killed = project.start(*options, "--dg-run-id=killed", "--dg-test-budget=5s", "test_endless.py", env=environ)
    *_, lost = vendor.wait_open(4)
    power_fails(killed.pid)
    vendor.wait_closed(4)
    vendor.bill.entries = vendor.billed

    def said(*command: str) -> tuple[int, dict[str, Any]]:
        result = project.result(project.launch([*DGBUDGET, *command, "--json"], env=environ))
        return result.status, json.loads(result.output)

    wait_until(lambda: said("sweep")[1]["leases"][0]["result"] == "orphaned")  # not before its time has passed
    status, document = said("reconcile", "--pending")
    verdicts = {each["run"]: each["verdict"] for each in document["runs"]}
    assert (status, verdicts) == (0, {"ended": "reconciled", "killed": "inconclusive"})
    stated = postgres.execute("SELECT stated.ms FROM stated JOIN lease ON lease.id = stated.lease", url)
    assert stated == [(pytest.approx(lost.seconds * 1000, abs=1),)]
    status, document = said("audit", "--since", "1d")
    kinds = {kind: figures["lines"] for kind, figures in document["classes"].items()}
    assert (status, document["verdict"], kinds) == (0, "inconclusive", {"matched": 3, "unconfirmed": 1})
