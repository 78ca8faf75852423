"""Signals to pytest: it installs no handler of ours, so what they do is pytest's own; the sessions are closed."""

from __future__ import annotations

import signal
import time

import pytest

from tests.conftest import Project
from tests.gateways import wait_until
from tests.ledgers import ends_of_leases
from tests.vendor import Vendor


def test_sigterm_closes_and_reports_in_time_and_keeps_the_exit_status(project: Project, vendor: Vendor) -> None:
    """Runners kill 2.5 s after a SIGTERM."""
    project.write(
        "test_it.py",
        "import time\ndef test_endless(voice_agent):\n    with voice_agent.connect():\n        time.sleep(60)\n",
    )
    process = project.start("--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    process.terminate()
    sent_at = time.monotonic()
    (seen,) = vendor.wait_closed(1)
    report = project.path / ".dgbudget/report/usage.json"
    wait_until(report.exists)
    print(f"reported {(time.monotonic() - sent_at) * 1000:.0f} ms after SIGTERM")
    assert time.monotonic() - sent_at < 2.5
    result = project.result(process)
    assert result.status == -signal.SIGTERM
    (session,) = result.usage["sessions"]
    assert session["confirmed"]
    assert session["seconds"] == pytest.approx(seen.seconds, abs=0.1)


def test_a_second_ctrl_c_during_teardown_is_never_stuck(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_it.py",
        """
import time
from pathlib import Path
import pytest

@pytest.fixture
def slow_to_end():
    yield
    Path("tearing-down").touch()
    time.sleep(60)

def test_endless(voice_agent, slow_to_end):
    with voice_agent.connect():
        time.sleep(60)
""",
    )
    process = project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    vendor.wait_open(1)
    process.send_signal(signal.SIGINT)
    vendor.wait_closed(1, timeout=5)
    wait_until((project.path / "tearing-down").exists)
    process.send_signal(signal.SIGINT)
    result = project.result(process, timeout=20)
    # pytest itself lets the second one through to Python.
    assert result.status == -signal.SIGINT, result.output
    assert result.usage["run"]["verdict"] == "interrupted"
    assert ends_of_leases(project.path) == ["settled"]


def test_an_interrupt_between_connect_and_the_end_of_a_setup_leaves_nothing_open(
    project: Project, vendor: Vendor
) -> None:
    """pytest does not finalize a fixture whose setup is interrupted."""
    project.write(
        "test_it.py",
        """
import pytest

@pytest.fixture
def session(voice_agent):
    session = voice_agent.connect().__enter__()
    raise KeyboardInterrupt
    yield session

def test_it(session):
    pass
""",
    )
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 2, result.output
    (seen,) = vendor.wait_closed(1)
    (session,) = result.usage["sessions"]
    assert session["request_id"] == seen.request_id
    assert session["seconds"] == pytest.approx(seen.seconds, abs=0.1)
    assert ends_of_leases(project.path) == ["settled"]
