"""A gateway that dies or hangs: nothing of it stays open, another one takes its place, and only its tests pay."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.support.ledger import ends_of_leases
from tests.support.processes import gateway_of
from tests.support.project import Project
from tests.support.slow import slow
from tests.support.vendor import Vendor


@pytest.mark.parametrize("workers", ["-n0", slow("-n1")])
def test_i6_a_killed_gateway_is_replaced_and_only_the_test_that_had_a_session_open_pays(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_killed.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", workers, env=vendor.environ)
    assert result.status == 1, result.output
    assert result.outcomes() == {"test_before": "passed", "test_loses_its_gateway": "failed", "test_after": "passed"}
    assert "a gateway died and was replaced" in result.output
    lost = [session for session in result.usage["sessions"] if session["closed_by"] == "gateway-lost"]
    assert [(session["seconds"], session["confirmed"]) for session in lost] == [(None, False)]
    assert len(vendor.wait_closed(3)) == 3
    assert 60 <= result.usage["run"]["used_seconds"] < 65
    assert result.usage["run"]["complete"]
    assert sorted(map(str, ends_of_leases(project.path))) == ["orphaned", "settled", "settled"]


@pytest.mark.slow
def test_the_session_of_a_killed_gateway_is_closed_at_once_and_charged_in_full(
    project: Project, vendor: Vendor
) -> None:
    project.use_adversary("test_waits.py")
    process = project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    vendor.wait_open(1)
    os.kill(gateway_of(process.pid), signal.SIGKILL)
    killed_at = time.monotonic()
    result = project.result(process)
    (seen,) = vendor.wait_closed(1)
    assert seen.closed_at is not None
    assert seen.closed_at - killed_at < 1
    assert result.status == 1, result.output
    assert result.usage["run"]["used_seconds"] == 60


@pytest.mark.slow
def test_a_hung_gateway_is_killed_by_its_owners_and_replaced(project: Project, vendor: Vendor) -> None:
    """Also after a test that stopped the clocks."""
    project.use("gateway_lost/conftest.py", "gateway_lost/test_hung.py")
    process = project.start("--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    (seen,) = vendor.wait_closed(1)
    project.write("go-on", "")
    result = project.result(process)
    # Six beats; the controller's own patience with a gateway that should be gone is five seconds more.
    assert seen.seconds < 7
    assert result.outcomes() == {"test_stops_the_clocks": "passed", "test_hangs": "failed", "test_after": "passed"}
    assert "SIGKILL" in result.output or "-9" in result.output


@pytest.mark.slow
def test_a_signal_that_a_terminal_sends_to_all_means_nothing_to_the_gateway(project: Project, vendor: Vendor) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_signalled.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    assert "died" not in result.output


@pytest.mark.slow
def test_a_run_whose_gateway_alone_was_told_to_end_is_complete_and_not_interrupted(
    project: Project, vendor: Vendor
) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_told_to_end.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    run = result.usage["run"]
    assert (run["complete"], run["verdict"], run["at_risk_seconds"]) == (True, "within", 0)
    assert [session["closed_by"] for session in result.usage["sessions"]] == ["gateway-lost", "client"]
    assert "a gateway died and was replaced: it ended with status 0" in result.output


@pytest.mark.slow
def test_a_stopped_pytest_does_not_take_its_gateway_for_hung(project: Project, vendor: Vendor) -> None:
    project.use("gateway_lost/test_stopped.py")
    process = project.start("--dg-budget=10m", "--dg-idle-timeout=off", env=vendor.environ)
    vendor.wait_open(1)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(5)  # longer than a gateway may hang
    os.kill(process.pid, signal.SIGCONT)
    result = project.result(process)
    assert result.status == 0, result.output


@pytest.mark.slow
def test_a_gateway_that_dies_again_and_again_is_given_up(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.use("gateway_lost/conftest.py", "gateway_lost/test_again.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert "the gateway died 6 times; the last time it ended with" in result.output
    assert "INTERNALERROR" not in result.output


@pytest.mark.slow
def test_a_successor_finds_the_temporary_ledger_of_an_emulated_run(project: Project) -> None:
    project.write(".dgbudget", "no folder can be made here")
    project.use("gateway_lost/conftest.py", "gateway_lost/test_temporary_ledger.py")
    arguments = ("--dg-target=emulator", "--dg-budget=10m", "--dg-report-dir=report", "--dg-reconcile=off")
    result = project.run(*arguments, env={"TMPDIR": str(project.path)})
    assert "2 passed" in result.output
    assert "can't be written, so this run's is" in result.output
    assert "a gateway died and was replaced" in result.output
    document = json.loads((project.path / "report/usage.json").read_text(encoding="utf-8"))
    assert [session["closed_by"] for session in document["sessions"]] == ["client", "client"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["emulator", "live"])
def test_a_successors_emulator_plays_the_scenario_of_a_test_that_was_under_way_and_knows_what_it_has_set(
    project: Project, vendor: Vendor, target: str
) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_scenario.py")
    project.write("played.toml", '[[scenario]]\nname = "played"\n[[scenario.turn]]\nreply = "as written"\n')
    result = project.run(f"--dg-target={target}", "--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    assert "a gateway died and was replaced" in result.output
    assert {session["target"] for session in result.usage["sessions"]} == {"emulator"}
    assert vendor.connections == []


def test_a_client_that_connects_while_the_gateway_is_replaced_waits_and_is_served(
    project: Project, vendor: Vendor
) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_foreign.py")
    result = project.run("--dg-budget=10m", env=vendor.environ)
    assert result.status == 0, result.output
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "client"


@pytest.mark.slow
def test_i8_an_overrun_before_the_gateway_died_still_fails_its_test(project: Project, vendor: Vendor) -> None:
    project.use("gateway_lost/conftest.py", "gateway_lost/test_swallows.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1, result.output
    assert "BudgetExceeded" in result.output
    assert result.outcomes() == {"test_swallows": "failed"}
