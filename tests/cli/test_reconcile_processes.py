"""``dgbudget reconcile`` as a process of its own: after runs of pytest, killed on its way, and two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tests.cli.conftest import DGBUDGET
from tests.process.test_figures import wait_for_report
from tests.support.emulator_process import first_line
from tests.support.emulator_process import process as emulator
from tests.support.ended_runs import PENDING, EndedRuns, bills, tables
from tests.support.processes import gateway_of, is_running, wait_until
from tests.support.project import Project, Result
from tests.support.statement import Bill, refusal, unsettled
from tests.support.vendor import KEY, Vendor

ARGUMENTS = ("--dg-budget=5m", "--dg-reconcile-timeout=1s", "--dg-run-id=nightly-7")


def reconcile(project: Project, *arguments: str, env: dict[str, str]) -> Result:
    return project.result(project.launch([*DGBUDGET, "reconcile", *arguments], env=env))


def is_valid(usage: dict[str, Any]) -> bool:
    schema = json.loads(files("pytest_dgbudget.report").joinpath("usage.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(usage, schema)
    return True


@pytest.mark.slow
def test_the_report_of_an_earlier_run_says_later_what_came_of_it(project: Project, vendor: Vendor) -> None:
    project.use("reconciliation/test_it.py")
    vendor.bill.entries = lambda: unsettled(vendor.billed())
    run = project.run(*ARGUMENTS, env=vendor.environ)
    assert run.usage["reconciliation"]["verdict"] == "pending"
    assert "dgbudget reconcile nightly-7 says later what came of it" in run.output
    before, report = tables(project.path), run.usage
    vendor.bill.entries = vendor.billed
    later = reconcile(project, "--pending", env=vendor.environ)
    assert later.status == 0, later.output
    assert later.output.startswith("nightly-7 (live): was pending, is reconciled\n")
    assert is_valid(later.usage)
    assert later.usage["reconciliation"]["verdict"] == "reconciled"
    assert all(test["vendor_usd"] is not None for test in later.usage["tests"])
    assert without_the_statement(later.usage) == without_the_statement(report)
    after = tables(project.path)
    assert all(after[table][: len(rows)] == rows for table, rows in before.items())
    assert EndedRuns(project.path).verdicts("nightly-7") == ["pending", "reconciled"]
    assert reconcile(project, "--pending", env=vendor.environ).output == "no run is pending\n"


def without_the_statement(usage: dict[str, Any]) -> dict[str, Any]:
    entries = {part: [{**each, "vendor_usd": None} for each in usage[part]] for part in ("tests", "sessions")}
    return {**usage, **entries, "reconciliation": None}


@pytest.mark.slow
def test_a_run_whose_pytest_was_killed_is_settled_later(project: Project, vendor: Vendor) -> None:
    project.use("killed/test_endless.py")
    process = project.start(*ARGUMENTS, env=vendor.environ)
    vendor.wait_open(1)
    gateway = gateway_of(process.pid)
    process.kill()
    assert wait_for_report(project.path)["reconciliation"]["verdict"] == "pending"
    wait_until(lambda: not is_running(gateway))
    later = reconcile(project, "--pending", env=vendor.environ)
    assert (later.status, later.usage["reconciliation"]["verdict"]) == (0, "reconciled"), later.output
    assert not later.usage["run"]["complete"]


@pytest.mark.slow
def test_a_run_whose_gateway_was_killed_with_pytest_is_charged_what_the_statement_has(
    project: Project, vendor: Vendor
) -> None:
    project.use("killed/test_endless.py")
    project.expects_log = True
    process = project.start(*ARGUMENTS, env=vendor.environ)
    vendor.wait_open(1)
    gateway = gateway_of(process.pid)
    process.send_signal(signal.SIGSTOP)  # else it would start another one
    os.kill(gateway, signal.SIGKILL)
    (seen,) = vendor.wait_closed(1)
    process.kill()
    later = reconcile(project, "--pending", "--json", env=vendor.environ)
    (entry,) = json.loads(later.output)["runs"]
    assert (entry["was"], entry["verdict"]) == (None, "inconclusive")
    assert [line["class"] for line in entry["reconciliation"]["lines"]] == ["unconfirmed"]
    assert entry["used_seconds"] == pytest.approx(seen.seconds, abs=0.001)


@dataclass(frozen=True)
class Held:
    """A run that was pending, and a statement that nobody gets before it is released."""

    project: Project
    bill: Bill
    runs: EndedRuns
    released: threading.Event

    @property
    def environ(self) -> dict[str, str]:
        return {"DEEPGRAM_API_KEY": KEY, "DG_API_URL": self.bill.url}

    def start(self) -> subprocess.Popen[str]:
        command = [*DGBUDGET, "reconcile", "--pending", "--reconcile-timeout=60s"]
        return self.project.launch(command, env=self.environ)

    def wait_asked(self, count: int) -> None:
        wait_until(lambda: len(self.bill.calls("usage")) >= count)


@pytest.fixture
def held(project: Project) -> Iterator[Held]:
    runs, released = EndedRuns(project.path), threading.Event()
    runs.add("one", PENDING)
    runs.has_reported("one")
    with Bill(KEY, lambda: bills("one")) as bill:
        bill.overrides["usage"] = lambda _: None if released.wait(30) else refusal(503, "HELD", "")
        yield Held(project, bill, runs, released)
        released.set()


def test_a_killed_reconcile_leaves_ledger_and_report_as_they_were(held: Held) -> None:
    before = tables(held.project.path)
    killed = held.start()
    held.wait_asked(1)
    killed.kill()
    result = held.project.result(killed)
    assert {**tables(held.project.path), "swept": before["swept"]} == before
    assert result.usage["reconciliation"]["verdict"] == "pending"
    held.released.set()
    later = reconcile(held.project, "--pending", env=held.environ)
    assert (later.status, later.usage["reconciliation"]["verdict"]) == (0, "reconciled"), later.output


def test_ctrl_c_ends_it_with_130_and_leaves_the_run_pending(held: Held) -> None:
    interrupted = held.start()
    held.wait_asked(1)
    interrupted.send_signal(signal.SIGINT)
    result = held.project.result(interrupted)
    assert (result.status, result.output, held.runs.verdicts("one")) == (130, "", ["pending"])


def test_of_two_at_once_one_records_what_came_of_a_run(held: Held) -> None:
    both = [held.start(), held.start()]
    held.wait_asked(2)
    held.released.set()
    results = [held.project.result(each) for each in both]
    assert [each.status for each in results] == [0, 0], results
    assert held.runs.verdicts("one") == ["pending", "reconciled"]
    assert sorted("another process has recorded a result meanwhile" in each.output for each in results) == [False, True]
    assert results[0].usage["reconciliation"]["verdict"] == "reconciled"


@pytest.mark.slow
def test_a_rehearsal_is_settled_when_its_emulators_bill_is(project: Project) -> None:
    project.use("reconciliation/test_it.py")
    with emulator("--settlement-lag=5", "--vendor=row_duration=true") as child:
        where = first_line(child)
        environ = {
            "DEEPGRAM_API_KEY": where["api_key"],
            "DG_AGENT_URL": where["agent_url"],
            "DG_API_URL": where["api_url"],
        }
        run = project.run(*ARGUMENTS, "--dg-target=live", "--dg-reconcile=require", env=environ)
        assert (run.status, run.usage["run"]["target"]) == (1, "rehearsal"), run.output
        assert run.usage["reconciliation"]["verdict"] == "pending"
        later = reconcile(project, "--pending", "--reconcile=require", "--reconcile-timeout=60s", env=environ)
    assert (later.status, later.usage["reconciliation"]["verdict"]) == (0, "reconciled"), later.output
    lag = later.usage["reconciliation"]["lag"]
    assert 4 < lag["settled_seconds"] < 30
    assert lag["pending_seconds"] < lag["settled_seconds"]
