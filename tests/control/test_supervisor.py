"""A gateway that dies is replaced, but not for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget.control.supervisor import Supervisor, listen
from pytest_dgbudget.errors import GatewayError
from tests.support.gateway import run_config_for
from tests.support.processes import children_of


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(run_config_for("ws://127.0.0.1:1/", tmp_path), listen(), most_successors=1)
    supervisor.start()
    yield supervisor
    supervisor.retire()
    supervisor.wait()


def kill_gateway() -> None:
    (pid,) = children_of(os.getpid())
    os.kill(pid, signal.SIGKILL)


def test_a_gateway_that_dies_again_and_again_is_given_up(supervisor: Supervisor) -> None:
    kill_gateway()
    supervisor.replace()
    kill_gateway()
    with pytest.raises(GatewayError, match="the gateway died 2 times; the last time it ended with status -9"):
        supervisor.replace()


def test_nothing_is_started_after_the_end_of_the_run(supervisor: Supervisor) -> None:
    supervisor.retire()
    kill_gateway()
    with pytest.raises(GatewayError, match="the gateway is gone: it ended with status -9"):
        supervisor.replace()
    assert children_of(os.getpid()) == []
