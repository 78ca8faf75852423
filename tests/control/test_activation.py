"""A gateway is started for a worker that knocks, and for nobody else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_dgbudget.control import run
from pytest_dgbudget.control.activation import SocketActivation
from pytest_dgbudget.control.supervisor import Supervisor
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.secrets import knock
from tests.support.gateway import run_config_for
from tests.support.processes import wait_until

HEAD = "GET /control HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: dgbudget-control\r\n{}\r\n"


@pytest.fixture
def activation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketActivation]:
    """One whose gateway can't be started, as its error shows when it has been tried."""

    def start(supervisor: Supervisor, tests: None) -> None:
        supervisor.retire()
        raise GatewayError("started")

    monkeypatch.setattr(run, "start_gateway_of", start)
    activation = SocketActivation(Interpreter.of_this_process())
    activation.begin(run_config_for("ws://127.0.0.1:1/", tmp_path))
    yield activation
    activation.stop_waiting()


def call(activation: SocketActivation, said: bytes) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", activation.port), timeout=15)
    caller.sendall(said)
    return caller


def is_disconnected(caller: socket.socket) -> bool:
    try:
        return caller.recv(1) == b""
    except ConnectionResetError:
        return True


def is_started_by_a_worker(activation: SocketActivation) -> bool:
    said = HEAD.format(f"x-dgbudget-knock: {knock(activation.secret)}\r\n").encode()
    with call(activation, said[:100]) as worker:
        assert activation.error is None
        worker.sendall(said[100:])
        wait_until(lambda: activation.error is not None)
        return is_disconnected(worker)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: stranger\r\n\r\n",
        HEAD.format("").encode(),
        HEAD.format("x-dgbudget-knock: " + "0" * 64 + "\r\n").encode(),
        HEAD.format("x-dgbudget-knock: \r\n").encode(),
        b"\xff" * 100_000,
    ],
    ids=["a request", "a control request", "another's knock", "an empty knock", "garbage"],
)
def test_who_does_not_know_the_secret_is_disconnected_and_starts_nothing(
    activation: SocketActivation, tmp_path: Path, said: bytes
) -> None:
    with call(activation, said) as stranger:
        assert is_disconnected(stranger)
    assert list(tmp_path.iterdir()) == []
    assert is_started_by_a_worker(activation)


def test_however_many_say_nothing_a_worker_is_heard(activation: SocketActivation) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with ExitStack() as strangers:
        silent = [strangers.enter_context(call(activation, b"")) for _ in range(100)]
        assert is_disconnected(silent[0]), "the first of too many"
        assert is_started_by_a_worker(activation)
        assert all(is_disconnected(stranger) for stranger in silent)
    wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


def test_who_hangs_up_at_once_starts_nothing(activation: SocketActivation) -> None:
    for _ in range(10):
        call(activation, b"").close()
    assert is_started_by_a_worker(activation)


def test_nothing_starts_after_the_end_of_the_run(activation: SocketActivation) -> None:
    with call(activation, b"") as stranger:
        assert activation.stop_waiting() is None
        assert is_disconnected(stranger)
    assert activation.error is None
