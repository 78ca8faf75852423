"""Ends that nobody plans for: the test exits, the gateway dies, the ledger breaks."""

from __future__ import annotations

import time

from tests.support.project import Project
from tests.support.vendor import Vendor


def test_under_skip_a_refused_test_is_skipped_even_if_it_exits(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_exits.py",
        """
import sys

def test_exits(voice_agent):
    try:
        voice_agent.connect().__enter__()
    except Exception:
        sys.exit(1)
""",
    )
    result = project.run("--dg-budget=0", "--dg-on-exhausted=skip", env=vendor.environ)
    assert result.status == 0, result.output
    assert result.outcomes() == {"test_exits": "skipped"}


def test_a_dead_gateway_does_not_hide_a_tests_own_failure(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_kills.py",
        """
import os, signal, sqlite3, time
from pathlib import Path

def children():
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]

def welcomed():
    with sqlite3.connect(".dgbudget/ledger.db") as ledger:
        return ledger.execute("SELECT request_id FROM welcome").fetchone()

def test_kills_the_gateway(voice_agent):
    with voice_agent.connect():
        while not welcomed():  # who is killed before it is on the disk takes it along
            time.sleep(0.01)
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        assert False, "my own failure"
""",
    )
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1
    assert "my own failure" in result.output
    assert "the gateway died while this test had a session open" in result.output
    (session,) = result.usage["sessions"]
    assert (session["closed_by"], session["seconds"], session["confirmed"]) == ("gateway-lost", None, False)
    assert result.usage["run"]["at_risk_seconds"] == 60
    assert session["request_id"] == vendor.connections[0].request_id


def test_an_emulator_that_has_ended_is_said_to_have_and_is_not_waited_for(project: Project) -> None:
    project.write(
        "test_kills.py",
        """
import os, signal, time
from pathlib import Path
import pytest
from pytest_dgbudget import GatewayError, SessionClosed

def emulators():
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"pytest_dgbudget.emulator" in status.read_bytes() and os.readlink(status.parent / "cwd") == os.getcwd():
                yield int(status.parent.name)
        except OSError:
            pass

def test_loses_it(voice_agent):
    with pytest.raises(SessionClosed, match="network"), voice_agent.connect() as session:
        (emulator,) = emulators()
        os.kill(emulator, signal.SIGKILL)
        session.say("hi")

def test_has_none(voice_agent):
    with pytest.raises(GatewayError, match="the emulator of this run has ended"), voice_agent.connect():
        pass
    with pytest.raises(GatewayError, match="has ended"):
        voice_agent.emulator.journal()
""",
    )
    began = time.monotonic()
    result = project.run("--dg-target=emulator", "--dg-budget=10m", "--dg-reconcile-timeout=50s")
    assert result.status == 0, result.output
    assert result.usage["reconciliation"]["verdict"] == "inconclusive"
    assert "the emulator of this run has ended (signal 9)" in result.output
    assert time.monotonic() - began < 40


def test_a_ledger_that_breaks_at_the_end_costs_the_report_and_not_the_run(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.write(
        "test_breaks.py",
        """
import sqlite3

def test_breaks(voice_agent):
    with voice_agent.connect() as session:
        session.say("hi")
    with sqlite3.connect(".dgbudget/ledger.db") as ledger:
        ledger.execute("DROP TABLE wait")
""",
    )
    result = project.run("--dg-budget=10m", env=vendor.environ)
    assert "INTERNALERROR" not in result.output
    assert "Traceback" not in result.output
    assert "no report could be made" in result.output
    assert "1 passed" in result.output
