"""A gateway that dies is replaced, but not for ever."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget.control.listening import listen_on_loopback
from pytest_dgbudget.control.run import start_gateway_of
from pytest_dgbudget.control.supervisor import Supervisor
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.processes import Interpreter
from tests.support.gateway import run_config_for
from tests.support.processes import children_of


class Watched(Supervisor):
    """A supervisor whose gateways are this process's new children."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            run_config_for("ws://127.0.0.1:1/", folder),
            listen_on_loopback(),
            Interpreter.of_this_process(),
            most_successors=1,
        )
        self._others = set(children_of(os.getpid()))

    def gateways(self) -> set[int]:
        return set(children_of(os.getpid())) - self._others

    def kill_gateway(self) -> None:
        (pid,) = self.gateways()
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Watched]:
    supervisor = Watched(tmp_path)
    supervisor.start()
    yield supervisor
    supervisor.retire()
    supervisor.wait()


def test_a_gateway_that_dies_again_and_again_is_given_up(supervisor: Watched) -> None:
    supervisor.kill_gateway()
    supervisor.replace()
    supervisor.kill_gateway()
    with pytest.raises(GatewayError, match="the gateway died 2 times; the last time it ended with status -9"):
        supervisor.replace()


def test_nothing_is_started_after_the_end_of_the_run(supervisor: Watched) -> None:
    supervisor.retire()
    supervisor.kill_gateway()
    with pytest.raises(GatewayError, match="the gateway is gone: it ended with status -9"):
        supervisor.replace()
    assert supervisor.gateways() == set()


def test_a_log_without_a_place_in_the_project_is_in_a_folder_that_nobody_else_enters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dgbudget").write_text("no folder can be made here")
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    supervisor = Watched(tmp_path)
    supervisor.start()
    (log,) = shared.glob("*/gateway-*.log")
    assert log.parent.stat().st_mode & 0o777 == 0o700
    assert log.stem.rpartition("-")[2] not in log.parent.name, "whoever knows one name must not know the other"
    supervisor.retire()
    supervisor.kill_gateway()
    supervisor.wait()


def test_a_gateway_that_can_not_be_started_leaves_no_port_open(tmp_path: Path) -> None:
    listener = listen_on_loopback()
    interpreter = Interpreter("/no/such/python", (), {})
    supervisor = Supervisor(run_config_for("ws://127.0.0.1:1/", tmp_path), listener, interpreter)
    with pytest.raises(GatewayError, match=r"the gateway can't be started: .*/no/such/python"):
        start_gateway_of(supervisor, None)
    assert listener.fileno() == -1
