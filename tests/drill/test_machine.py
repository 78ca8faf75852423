"""Which processes run, by /proc or by ps."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from pytest_dgbudget.drill import machine
from tests.support.processes import wait_until

# What a gateway's command says of it.
STANDS_STILL = "import time; 'pytest_dgbudget.gateway'; time.sleep(60)"


@pytest.mark.parametrize("shown_by", ["proc", "ps"])
def test_a_gateway_is_found_among_the_children_of_its_pytest(monkeypatch: pytest.MonkeyPatch, shown_by: str) -> None:
    if shown_by == "ps":
        if shutil.which("ps") is None:
            pytest.skip("there is no ps")
        monkeypatch.setattr(machine, "_has_proc", lambda: False)
    with subprocess.Popen([sys.executable, "-c", STANDS_STILL]) as gateway:
        wait_until(lambda: machine.gateways_of(os.getpid()) == [gateway.pid])
        assert machine.gateways_of(gateway.pid) == []
        gateway.kill()


def test_where_nothing_shows_processes_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "shows_processes", lambda: False)
    assert machine.gateways_of(os.getppid()) == []


def test_a_process_that_has_ended_does_not_run_whether_it_was_waited_for_or_not() -> None:
    process = subprocess.Popen([sys.executable, "-c", STANDS_STILL])
    assert machine.is_running(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not machine.is_running(process.pid))
    process.wait()
    assert not machine.is_running(process.pid)
