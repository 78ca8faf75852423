"""A whole run beside the statement of the tests' own vendor: verdict, exit status, and where both can be read."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.process.test_figures import wait_for_report
from tests.support.processes import gateway_of, is_running, wait_until
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.slow import slow
from tests.support.statement import Answer, Entry, refusal, unsettled
from tests.support.vendor import KEY, Vendor


@pytest.fixture(autouse=True)
def three_sessions(project: Project) -> None:
    project.use("reconciliation/test_it.py")


def statement_calls(vendor: Vendor) -> set[str]:
    """Return what the statement was asked for; a live run also asks for the project's balance."""
    return {"list", "get", "usage", "billing"} & {asked.call for asked in vendor.bill.asked}


def reconciliation(result: Result) -> dict[str, object]:
    schema = json.loads(files("pytest_dgbudget.report").joinpath("usage.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(result.usage, schema)
    found: dict[str, object] = result.usage["reconciliation"]
    return found


def discrepancy(vendor: Vendor) -> None:
    vendor.bill.entries = lambda: [seen.billed(seconds=60) for seen in vendor.connections]


def pending(vendor: Vendor) -> None:
    vendor.bill.entries = lambda: unsettled(vendor.billed())


def unclear(vendor: Vendor) -> None:
    def rows() -> list[Entry]:
        return [replace(entry, elapsed=60, details={"duration": None}) for entry in vendor.billed()]

    vendor.bill.entries = rows


def no_permission(vendor: Vendor) -> None:
    for call in ("list", "get", "usage"):
        vendor.bill.overrides[call] = lambda _: refusal(403, "INSUFFICIENT_PERMISSIONS", "No.")


def api_down(vendor: Vendor) -> None:
    for call in ("projects", "list", "get", "usage", "billing"):
        vendor.bill.overrides[call] = lambda _: refusal(503, "DOWN", "Down.")


def agreement(vendor: Vendor) -> None:
    """As it is."""


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        slow(agreement, "reconciled"),
        (discrepancy, "discrepancy"),
        slow(pending, "pending"),
        slow(unclear, "inconclusive"),
        slow(no_permission, "inconclusive"),
        slow(api_down, "inconclusive"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_require_fails_the_run_for_each_verdict_but_reconciled(
    project: Project, vendor: Vendor, workers: str, what: Callable[[Vendor], None], verdict: str
) -> None:
    what(vendor)
    arguments = ("--dg-budget=5m", "--dg-reconcile=require", "--dg-reconcile-timeout=3s", "--junitxml=j.xml")
    result = project.run(*arguments, workers, env=vendor.environ)
    found = reconciliation(result)
    assert found["verdict"] == verdict, result.output
    assert result.status == (0 if verdict == "reconciled" else 1), result.output
    assert "3 passed" in result.output
    assert set(result.outcomes().values()) == {"passed"}
    assert f"reconciliation: {verdict}" in result.output
    assert (found["reasons"] == []) == (verdict in {"reconciled", "discrepancy"})
    (suite,) = ElementTree.parse(project.path / "j.xml").iter("testsuite")
    properties = {each.get("name"): each.get("value") for each in suite.iterfind("properties/property")}
    assert properties["dgbudget.reconciliation"] == verdict
    with sqlite3.connect(project.path / ".dgbudget/ledger.db") as ledger:
        rows = ledger.execute("SELECT verdict, document FROM reconciliation").fetchall()
    ledger.close()
    assert [row[0] for row in rows] == [verdict]
    assert json.loads(rows[0][1]) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "said"),
    [
        (discrepancy, "the statement has 60.00s, we metered"),
        (pending, "3 of 3 sessions are not in the statement yet, or not settled"),
        (no_permission, "does the key have the scope usage:read?"),
    ],
)
def test_warn_changes_no_exit_status_and_says_what_disagrees(
    project: Project, vendor: Vendor, what: Callable[[Vendor], None], said: str
) -> None:
    what(vendor)
    result = project.run("--dg-budget=5m", "--dg-reconcile-timeout=3s", env=vendor.environ)
    assert result.status == 0, result.output
    assert said in result.output


@pytest.mark.slow
def test_off_asks_nobody(project: Project, vendor: Vendor) -> None:
    result = project.run("--dg-budget=5m", "--dg-reconcile=off", env=vendor.environ)
    assert (result.status, reconciliation(result)["verdict"]) == (0, "off")
    assert not statement_calls(vendor)
    assert "reconciliation" not in result.output


def test_every_session_carries_the_runs_tag_and_figures_of_both_sides_stand_beside_one_another(
    project: Project, vendor: Vendor
) -> None:
    vendor.bill.entries = lambda: [*vendor.billed(), Entry("other", 5, ("other",), vendor.connections[-1].created)]
    result = project.run("--dg-budget=5m", "--dg-run-id=nightly.7", "--reruns=1", env=vendor.environ)
    found = reconciliation(result)
    assert found["verdict"] == "reconciled"
    remarks: list[str] = found["remarks"]  # type: ignore[assignment]
    assert [remark.partition(", began during this run")[0] for remark in remarks] == [
        "1 other agent session of the project, 5.00s in all"
    ]
    assert remarks[0] in result.output
    tags = sorted(seen.settings["tags"] for seen in vendor.connections if seen.settings)
    assert tags == [["dgbudget-nightly.7"], ["smoke", "dgbudget-nightly.7"], ["smoke", "dgbudget-nightly.7"]]
    lines: list[dict[str, object]] = found["lines"]  # type: ignore[assignment]
    assert [line["class"] for line in lines] == ["matched"] * 3
    assert {line["request_id"]: line["vendor_seconds"] for line in lines} == {
        seen.request_id: pytest.approx(seen.seconds, abs=0.001) for seen in vendor.connections
    }
    assert [line["nodeid"] for line in lines] == [
        "test_it.py::test_one",
        "test_it.py::test_more[0]",
        "test_it.py::test_more[1]",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["test_none.py", "test_asks.py"])
def test_a_run_that_opens_no_session_has_nothing_to_compare(project: Project, vendor: Vendor, file: str) -> None:
    project.write("test_none.py", "def test_none(): pass\n")
    project.write("test_asks.py", "def test_asks(voice_agent): pass\n")
    result = project.run("--dg-budget=5m", "--dg-reconcile=require", file, env=vendor.environ)
    assert (result.status, reconciliation(result)["verdict"]) == (0, "reconciled"), result.output
    asked = file == "test_asks.py"
    assert ("no session was opened, so there is nothing to compare" in result.output) == asked
    assert ("no test asked for a session (live, nothing used of 300.00s)" in result.output) == (not asked)
    assert vendor.bill.asked == []


@pytest.mark.slow
def test_a_required_reconciliation_that_fails_is_more_than_an_overrun(project: Project, vendor: Vendor) -> None:
    project.use("reconciliation/test_long.py")
    discrepancy(vendor)
    arguments = ("--dg-budget=5m", "--dg-test-budget=1s", "-o", "dg_overrun_exit_code=9", "--dg-reconcile=require")
    result = project.run(*arguments, "test_long.py", env=vendor.environ)
    assert (result.status, result.usage["run"]["verdict"]) == (1, "overrun")


# Who waits, and how long ----------------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_waits_for_nothing(project: Project, vendor: Vendor) -> None:
    project.use("reconciliation/test_fails.py")
    result = project.run("--dg-budget=5m", "-x", env=vendor.environ)
    found = reconciliation(result)
    assert (result.status, found["verdict"], found["checked_at"]) == (1, "pending", None)
    assert "the run was stopped, so the statement was not waited for" in result.output
    assert not statement_calls(vendor)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_ctrl_c_ends_the_waiting_and_nothing_else(project: Project, vendor: Vendor, workers: str) -> None:
    pending(vendor)
    process = project.start("-q", "--dg-budget=5m", "--dg-reconcile-timeout=60s", workers, env=vendor.environ)
    assert process.stdout is not None
    before = ""
    while "waiting for the vendor's statement" not in before:
        before += process.stdout.readline()
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = project.result(process)
    assert time.monotonic() - begun < 10
    assert before.splitlines()[-1].startswith("dgbudget: waiting")  # in a line of its own, although under -q
    assert (result.status, reconciliation(result)["verdict"]) == (0, "pending"), before + result.output
    assert "3 passed" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.005, 0.02, 0.1])
def test_ctrl_c_at_the_very_beginning_of_the_end_changes_nothing_but_the_waiting(
    project: Project, vendor: Vendor, delay: float
) -> None:
    pending(vendor)
    project.use("reconciliation/interrupted")
    arguments = ("--dg-budget=5m", "--dg-reconcile=require", "--dg-reconcile-timeout=30s", "--junitxml=j.xml")
    result = project.run(*arguments, env={**vendor.environ, "DELAY": str(delay)})
    assert (result.status, reconciliation(result)["verdict"]) == (1, "pending"), result.output
    assert "Traceback" not in result.output
    assert "--dg-reconcile=require fails the run: it is not reconciled" in result.output
    assert (project.path / "j.xml").exists()


@pytest.mark.slow
def test_a_pytest_that_is_killed_while_it_waits_leaves_its_report(project: Project, vendor: Vendor) -> None:
    pending(vendor)
    process = project.start("--dg-budget=5m", "--dg-reconcile-timeout=60s", env=vendor.environ)
    gateway = gateway_of(process.pid)
    assert wait_for_report(project.path)["reconciliation"]["verdict"] == "pending"
    process.kill()
    result = project.result(process)
    wait_until(lambda: not is_running(gateway))
    assert reconciliation(result)["verdict"] == "pending"
    assert result.usage["run"]["complete"]
    assert set(result.outcomes().values()) == {"passed"}


SLOW = [Answer(b'{"projects": []}', slowly=0.3), Answer(b'{"projects"', headers={"Content-Length": "16"}, slowly=0.01)]


@pytest.mark.slow
@pytest.mark.parametrize("answer", SLOW, ids=["drop by drop", "never whole"])
def test_an_api_that_takes_its_time_gets_no_more_than_there_is(
    project: Project, vendor: Vendor, answer: Answer
) -> None:
    vendor.bill.overrides["projects"] = lambda _: answer
    begun = time.monotonic()
    result = project.run("--dg-budget=5m", "--dg-reconcile-timeout=1s", env=vendor.environ)
    assert time.monotonic() - begun < 20
    assert (result.status, reconciliation(result)["verdict"]) == (0, "inconclusive"), result.output
    assert result.output.count("inconclusive") == 1


@pytest.mark.slow
def test_a_session_that_the_gateway_died_with_is_unconfirmed_and_charged_by_the_statement(
    project: Project, vendor: Vendor
) -> None:
    project.use("gateway_lost/conftest.py", "reconciliation/test_kills.py")
    result = project.run("--dg-budget=5m", "--dg-run-id=one", "test_kills.py", env=vendor.environ)
    found = reconciliation(result)
    line = found["lines"][0]  # type: ignore[index]
    (seen,) = vendor.connections
    assert (found["verdict"], line["class"], line["local_seconds"]) == ("inconclusive", "unconfirmed", None)
    assert line["vendor_seconds"] == pytest.approx(seen.seconds, abs=0.001)
    run = result.usage["run"]
    assert (run["used_seconds"], run["at_risk_seconds"]) == (line["vendor_seconds"], 0)
    assert result.usage["sessions"][0]["seconds"] is None
    assert f"the statement has {line['vendor_seconds']:.2f}s" in result.output

    again = project.run("--dg-budget=5m", "--dg-run-id=one", "test_it.py", env=vendor.environ)
    assert vendor.saw(again.usage, within=0.1), vendor.connections


@pytest.mark.slow
def test_a_session_that_the_gateway_died_with_stays_charged_in_full_while_the_statement_lacks_it(
    project: Project, vendor: Vendor
) -> None:
    pending(vendor)
    project.use("gateway_lost/conftest.py", "reconciliation/test_kills.py")
    result = project.run("--dg-budget=5m", "--dg-reconcile-timeout=3s", "test_kills.py", env=vendor.environ)
    run = result.usage["run"]
    assert (run["used_seconds"], run["at_risk_seconds"]) == (60, 60)


@pytest.mark.slow
def test_a_ledger_that_is_gone_with_its_gateway_is_no_agreement(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.reads_ledger = False
    project.use("reconciliation/ledger_lost", "disk/test_one.py")
    result = project.run("--dg-budget=5m", "--dg-reconcile=require", "test_one.py", env=vendor.environ)
    assert result.status == 1, result.output
    assert "has lost what this run put into it" in result.output


@pytest.mark.slow
def test_a_gateway_that_dies_while_it_waits_has_a_successor(project: Project, vendor: Vendor) -> None:
    pending(vendor)
    process = project.start("--dg-budget=5m", "--dg-reconcile-timeout=3s", env=vendor.environ)
    gateway = gateway_of(process.pid)
    wait_until(lambda: bool(vendor.bill.calls("usage")))
    os.kill(gateway, signal.SIGKILL)
    result = project.result(process)
    assert (result.status, reconciliation(result)["verdict"]) == (0, "pending"), result.output
    assert result.usage["run"]["complete"]
    assert "UNIQUE" not in result.output


@pytest.mark.slow
def test_an_emulator_that_is_gone_is_not_asked(project: Project) -> None:
    project.use("disk/test_one.py")
    first = project.run("test_one.py", "--dg-run-id=one", "--dg-budget=1m", "--dg-reconcile=require")
    second = project.run("test_one.py", "--dg-run-id=one", "--dg-budget=1m", "--dg-reconcile=require")
    assert (first.status, second.status) == (0, 0), second.output
    found = reconciliation(second)
    assert len(second.usage["sessions"]) == 2
    assert len(found["lines"]) == 1  # type: ignore[arg-type]
    assert found["reasons"] == ["1 sessions were on an emulator that is gone, so they can't be compared"]


@pytest.mark.slow
def test_a_session_that_the_gateway_died_with_can_not_be_compared_with_an_emulators_statement(project: Project) -> None:
    project.use("gateway_lost/conftest.py", "reconciliation/test_kills.py")
    killed = project.run("--dg-budget=1m", "test_kills.py")
    assert reconciliation(killed)["verdict"] == "inconclusive"


@pytest.mark.slow
def test_the_key_is_in_no_file_and_on_no_screen(project: Project, vendor: Vendor) -> None:
    vendor.bill.overrides["list"] = lambda asked: Answer(f"{asked.authorization}".encode(), 400)
    result = project.run("--dg-budget=5m", "--junitxml=j.xml", "-l", env=vendor.environ)
    assert reconciliation(result)["verdict"] == "inconclusive"
    assert "Token ***" in result.output
    written = [path for path in project.path.rglob("*") if path.is_file()]
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in result.output


@pytest.mark.slow
def test_a_refusal_that_repeats_the_key_is_passed_on_without_it(project: Project) -> None:
    body = json.dumps({"err_code": "INVALID_AUTH", "err_msg": f"Token {KEY} is invalid", "request_id": "x"}).encode()
    with Vendor(refuse=(401, {"Content-Type": "application/json", "dg-error": KEY}, body)) as vendor:
        result = project.run("--dg-budget=5m", "--junitxml=j.xml", "-l", env=vendor.environ)
    assert f"Token {'*' * len(KEY)} is invalid" in result.output
    written = [path for path in project.path.rglob("*") if path.is_file()]
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in result.output


@pytest.mark.slow
def test_an_agent_that_is_not_deepgrams_needs_the_url_of_its_api(
    project: Project, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DG_API_URL")
    environment = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": vendor.url}
    result = project.run("--dg-budget=5m", env=environment)
    assert reconciliation(result)["verdict"] == "inconclusive", result.output
    assert "name its management API with --dg-api-url" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_emulator_sends_its_own_bill(project: Project, workers: str) -> None:
    result = project.run("--dg-budget=5m", "--dg-reconcile=require", workers)
    assert (result.status, reconciliation(result)["verdict"]) == (0, "reconciled"), result.output
    assert "3 of 3 sessions agree with the emulator's statement" in result.output
