"""A gateway that dies or hangs: nothing of it stays open, another one takes its place, and only its tests pay."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time

import pytest

from tests.support.project import Project
from tests.support.vendor import Vendor

# The projects' own way to find the gateway and do something to it.
CONFTEST = """
import os, signal, time
from pathlib import Path
import pytest

def gateways():
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"pytest_dgbudget.gateway" in status.read_bytes() and os.readlink(status.parent / "cwd") == os.getcwd():
                yield int(status.parent.name)
        except OSError:
            pass

@pytest.fixture
def signal_gateway():
    def signal_gateway(number):
        (pid,) = gateways()
        os.kill(pid, number)
        return pid
    return signal_gateway
"""

KILLED_AND_OTHERS = """
import signal
import pytest
from pytest_dgbudget import GatewayError

def test_before(voice_agent):
    with voice_agent.connect() as session:
        session.say("hi")

def test_loses_its_gateway(voice_agent, signal_gateway):
    with voice_agent.connect() as session:
        signal_gateway(signal.SIGKILL)
        with pytest.raises(GatewayError, match="charged"):
            session.say("are you there?")
    with pytest.raises(GatewayError, match="can open nothing more"):
        voice_agent.connect().__enter__()

def test_after(voice_agent):
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
"""


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_killed_gateway_is_replaced_and_only_the_test_that_had_a_session_open_pays(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.write("conftest.py", CONFTEST)
    project.write("test_killed.py", KILLED_AND_OTHERS)
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", workers, env=vendor.environ)
    assert result.status == 1, result.output
    assert result.outcomes() == {"test_before": "passed", "test_loses_its_gateway": "failed", "test_after": "passed"}
    assert "a gateway died and was replaced" in result.output
    lost = [session for session in result.usage["sessions"] if session["closed_by"] == "gateway-lost"]
    assert [(session["seconds"], session["confirmed"]) for session in lost] == [(None, False)]
    assert len(vendor.wait_closed(3)) == 3
    assert 60 <= result.usage["run"]["used_seconds"] < 65
    assert result.usage["run"]["complete"]


def test_a_hung_gateway_is_killed_by_its_owners_and_replaced(project: Project, vendor: Vendor) -> None:
    project.write("conftest.py", CONFTEST)
    project.write(
        "test_hung.py",
        """
import signal, time

def test_hangs(voice_agent, signal_gateway):
    with voice_agent.connect():
        signal_gateway(signal.SIGSTOP)
        time.sleep(6)

def test_after(voice_agent):
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
""",
    )
    process = project.start("--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    (seen,) = vendor.wait_closed(1)
    result = project.result(process)
    # Six beats; the controller's own patience with a gateway that should be gone is five seconds more.
    assert seen.seconds < 7
    assert result.outcomes() == {"test_hangs": "failed", "test_after": "passed"}
    assert "SIGKILL" in result.output or "-9" in result.output


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_that_a_terminal_sends_to_all_means_nothing_to_the_gateway(
    project: Project, vendor: Vendor, name: str
) -> None:
    project.write("conftest.py", CONFTEST)
    project.write(
        "test_signalled.py",
        f"""
import signal

def test_goes_on(voice_agent, signal_gateway):
    with voice_agent.connect() as session:
        signal_gateway(signal.{name})
        assert session.say("hi").reply == "about hi"
""",
    )
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    assert "died" not in result.output


@pytest.mark.slow
def test_a_stopped_pytest_does_not_take_its_gateway_for_hung(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_stopped.py",
        """
import os, time

def test_is_stopped(voice_agent):
    with voice_agent.connect() as session:
        open("pid", "w").write(str(os.getpid()))
        assert session.say("hi").reply == "about hi"
        time.sleep(7)
        assert session.say("hi").reply == "about hi"
""",
    )
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
    project.write("conftest.py", CONFTEST)
    project.write(
        "test_again.py",
        """
import signal
import pytest

@pytest.mark.parametrize("n", range(8))
def test_dies(voice_agent, signal_gateway, n):
    signal_gateway(signal.SIGKILL)
""",
    )
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert "6 gateways have died" in result.output
    assert "INTERNALERROR" not in result.output


def test_i6_every_lease_of_a_killed_gateway_ends_once(project: Project, vendor: Vendor) -> None:
    project.write("conftest.py", CONFTEST)
    project.write("test_killed.py", KILLED_AND_OTHERS)
    project.run("--dg-budget=10m", env=vendor.environ)
    with sqlite3.connect(project.path / ".dgbudget/ledger.db") as ledger:
        ends = ledger.execute(
            "SELECT lease.id, lease_end.how FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id"
        )
        assert sorted(how for _, how in ends) == ["orphaned", "settled", "settled"]


def test_a_successor_finds_the_temporary_ledger_of_an_emulated_run(project: Project) -> None:
    project.write(".dgbudget", "no folder can be made here")
    project.write("conftest.py", CONFTEST)
    project.write(
        "test_it.py",
        """
import signal

def test_before(voice_agent):
    with voice_agent.connect() as session:
        session.say("hi")

def test_after(voice_agent, signal_gateway):
    signal_gateway(signal.SIGKILL)
    with voice_agent.connect() as session:
        assert session.say("hi").reply
""",
    )
    arguments = ("--dg-target=emulator", "--dg-budget=10m", "--dg-report-dir=report", "--dg-reconcile=off")
    result = project.run(*arguments, env={"TMPDIR": str(project.path)})
    assert "2 passed" in result.output
    assert "can't be written, so this run's is" in result.output
    assert "a gateway died and was replaced" in result.output
    document = json.loads((project.path / "report/usage.json").read_text(encoding="utf-8"))
    assert [session["closed_by"] for session in document["sessions"]] == ["client", "client"]


def test_a_successors_emulator_plays_the_scenario_of_a_test_that_was_under_way(project: Project) -> None:
    project.write("conftest.py", CONFTEST)
    project.write("played.toml", '[[scenario]]\nname = "played"\n[[scenario.turn]]\nreply = "as written"\n')
    project.write(
        "test_it.py",
        """
import signal
import pytest

@pytest.mark.dg_scenario("played.toml")
def test_goes_on(voice_agent, signal_gateway):
    signal_gateway(signal.SIGKILL)
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "as written"
""",
    )
    result = project.run("--dg-target=emulator", "--dg-budget=10m", "--dg-reconcile=off")
    assert result.status == 0, result.output
    assert "a gateway died and was replaced" in result.output


def test_a_client_that_connects_while_the_gateway_is_replaced_waits_and_is_served(
    project: Project, vendor: Vendor
) -> None:
    project.write("conftest.py", CONFTEST)
    project.write(
        "test_it.py",
        """
import json, signal
from websockets.sync.client import connect

def test_foreign(voice_agent, signal_gateway):
    signal_gateway(signal.SIGKILL)
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    with connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None) as websocket:
        assert json.loads(websocket.recv())["type"] == "Welcome"
""",
    )
    result = project.run("--dg-budget=10m", env=vendor.environ)
    assert result.status == 0, result.output
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "client"


def test_i8_an_overrun_before_the_gateway_died_still_fails_its_test(project: Project, vendor: Vendor) -> None:
    project.write("conftest.py", CONFTEST)
    project.write(
        "test_it.py",
        """
import signal, sqlite3, time
import pytest
from pytest_dgbudget import DgBudgetError

@pytest.mark.dg_budget("1s")
def test_swallows(voice_agent, signal_gateway):
    try:
        with voice_agent.connect() as session:
            session.expect("Nothing", timeout="5s")
    except DgBudgetError:
        pass
    with sqlite3.connect(".dgbudget/ledger.db") as ledger:
        while not ledger.execute("SELECT * FROM lease_end").fetchall():
            time.sleep(0.01)
    signal_gateway(signal.SIGKILL)
""",
    )
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1, result.output
    assert "BudgetExceeded" in result.output
    assert result.outcomes() == {"test_swallows": "failed"}
