"""Ends that nobody plans for: the test exits, the gateway dies, the ledger breaks."""

from __future__ import annotations

import time

import pytest

from tests.support.project import Project
from tests.support.vendor import Vendor


@pytest.mark.slow
def test_under_skip_a_refused_test_is_skipped_even_if_it_exits(project: Project, vendor: Vendor) -> None:
    project.use("ends/test_exits.py")
    result = project.run("--dg-budget=0", "--dg-on-exhausted=skip", env=vendor.environ)
    assert result.status == 0, result.output
    assert result.outcomes() == {"test_exits": "skipped"}


def test_i7_a_dead_gateway_hides_no_failure_and_what_nobody_saw_is_null_and_counted_in_full(
    project: Project, vendor: Vendor
) -> None:
    project.use("gateway_lost/conftest.py", "ends/test_kills_the_gateway.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1
    assert "my own failure" in result.output
    assert "the gateway died while this test had a session open" in result.output
    (session,) = result.usage["sessions"]
    unseen = ("seconds", "closed_at", "audio_in_seconds", "audio_out_seconds")
    assert [session[name] for name in unseen] == [None] * 4
    assert (session["closed_by"], session["confirmed"]) == ("gateway-lost", False)
    assert session["request_id"] == vendor.connections[0].request_id
    run = result.usage["run"]
    assert (run["cost_usd"], run["used_seconds"], run["at_risk_seconds"]) == (0.163, 60, 60)
    assert result.usage["reconciliation"]["verdict"] == "off"


@pytest.mark.slow
def test_a_session_that_a_test_leaves_open_is_closed_at_once(project: Project, vendor: Vendor) -> None:
    project.use_adversary("test_leaves_open.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    (seen,) = vendor.wait_closed(1)
    assert seen.closed_at is not None
    assert seen.closed_at - project.noted("over") < 1
    assert [session["closed_by"] for session in result.usage["sessions"]] == ["teardown"]


def test_clients_that_vanish_are_charged_the_sum_of_their_sessions(project: Project, vendor: Vendor) -> None:
    project.use("ends/test_vanishes.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    usage = result.usage
    ms = sum(round(1000 * session["seconds"]) for session in usage["sessions"])
    assert (len(usage["sessions"]), {session["closed_by"] for session in usage["sessions"]}) == (20, {"client"})
    assert round(1000 * usage["tests"][0]["used_seconds"]) == round(1000 * usage["run"]["used_seconds"]) == ms
    assert usage["run"]["verdict"] == "within"


def test_an_emulator_that_has_ended_is_started_again_once_and_then_not_waited_for(project: Project) -> None:
    project.use("ends/test_kills_the_emulator.py")
    began = time.monotonic()
    result = project.run("--dg-target=emulator", "--dg-budget=10m", "--dg-reconcile-timeout=50s")
    assert result.status == 0, result.output
    assert result.usage["reconciliation"]["verdict"] == "inconclusive"
    nodeids = [session["nodeid"] for session in result.usage["sessions"]]
    assert nodeids.count("test_kills_the_emulator.py::test_what_it_has_set_holds_on") == 1
    assert "the emulator ended (signal 9) and was started again" in result.output
    assert "the emulator of this run has ended (signal 9); a run starts it again only once" in result.output
    assert time.monotonic() - began < 40


@pytest.mark.slow
def test_a_ledger_that_breaks_at_the_end_costs_the_report_and_not_the_run(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.use("ends/test_breaks.py")
    result = project.run("--dg-budget=10m", env=vendor.environ)
    assert "INTERNALERROR" not in result.output
    assert "Traceback" not in result.output
    assert "no report could be made" in result.output
    assert "1 passed" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "status"),
    [
        *(("collection Ctrl-C", 2), ("collection error", 3), ("collection exit", 0)),
        *(("report error", 3), ("report exit", 0), ("teardown Ctrl-C", 2), ("teardown exit", 0)),
    ],
)
def test_a_run_that_ends_before_its_last_test_is_interrupted_wherever_that_is(
    project: Project, at: str, status: int
) -> None:
    project.use("ends/interrupted")
    options = ("--dg-target=emulator", "--dg-budget=5m", "--dg-reconcile=off")
    result = project.run(*options, env={"INTERRUPTED_AT": at})
    assert result.status == status, result.output
    run = result.usage["run"]
    assert (run["verdict"], run["complete"]) == ("interrupted", True)
    assert run["sessions"] == (0 if at.startswith("collection") else 1)
