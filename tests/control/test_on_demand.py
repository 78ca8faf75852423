"""A run that is joined or started by its first use."""

from __future__ import annotations

import errno
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast
from unittest import mock

import pytest

from pytest_dgbudget.control.on_demand import RunOnDemand
from pytest_dgbudget.control.run import RunHandle
from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError


class Handle:
    """One that was opened in this process."""

    def in_this_process(self) -> Handle:
        return self


HANDLE = cast(RunHandle, Handle())


class Opening:
    """Opens a run, or fails to, and counts how often it was asked."""

    def __init__(self, error: DgBudgetError | None = None) -> None:
        self.times = 0
        self.error = error

    def __call__(self) -> RunHandle:
        self.times += 1
        if self.error is not None:
            raise self.error
        return HANDLE


def test_nothing_is_opened_before_the_first_use() -> None:
    opening = Opening()
    run = RunOnDemand(opening)
    assert (run.run, run.error, opening.times) == (None, None, 0)


def test_every_use_gets_the_handle_that_the_first_one_opened() -> None:
    opening = Opening()
    run = RunOnDemand(opening)
    assert [run.open(), run.open()] == [HANDLE, HANDLE]
    assert (run.run, opening.times) == (HANDLE, 1)


def test_every_use_gets_the_error_of_a_ledger_that_failed() -> None:
    error = LedgerError("it can't be opened")
    opening = Opening(error)
    run = RunOnDemand(opening)
    for _ in range(2):
        with pytest.raises(LedgerError) as raised:
            run.open()
        assert raised.value is error
    assert (run.run, run.error, opening.times) == (None, error, 1)


def test_a_forked_process_that_finds_the_run_in_use_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunOnDemand(Opening(LedgerError("run id 'x' is in use")))
    monkeypatch.setattr("pytest_dgbudget.control.on_demand.os.getpid", lambda: 0)
    with pytest.raises(
        LedgerError, match=r"run id 'x' is in use \(this process was forked from pytest .* pytest-xdist"
    ):
        run.open()


def test_a_start_that_failed_is_tried_again_by_the_next_use() -> None:
    opening = Opening(GatewayError("it can't be started"))
    run = RunOnDemand(opening)
    for _ in range(2):
        with pytest.raises(GatewayError):
            run.open()
        assert run.error is opening.error
    opening.error = None
    assert run.open() is HANDLE
    assert (run.error, opening.times) == (None, 3)


def test_threads_that_use_it_at_once_open_one_run() -> None:
    both = threading.Barrier(2)
    opened = []

    def opens_slowly() -> RunHandle:
        opened.append(threading.get_ident())
        time.sleep(0.2)  # the other thread comes meanwhile
        return HANDLE

    run = RunOnDemand(opens_slowly)

    def use() -> RunHandle:
        both.wait()
        return run.open()

    with ThreadPoolExecutor(2) as threads:
        assert [each.result() for each in [threads.submit(use), threads.submit(use)]] == [HANDLE, HANDLE]
    assert len(opened) == 1


def test_a_process_that_can_open_no_socket_says_so() -> None:
    run = RunOnDemand(Opening())
    none_left = OSError(errno.EMFILE, "Too many open files")
    said = "this process can't open a socket: Too many open files; see ulimit -n; nothing was dialled"
    with mock.patch("socket.socketpair", side_effect=none_left), pytest.raises(GatewayError, match=said):
        run.open()


def test_pytest_sockets_refusal_says_what_to_set() -> None:
    guarded = mock.Mock(side_effect=RuntimeError, __module__="pytest_socket")
    opening = Opening()
    run = RunOnDemand(opening)
    with mock.patch("socket.socket", guarded), pytest.raises(GatewayError, match="--allow-unix-socket"):
        run.open()
    assert opening.times == 0
    assert run.open() is HANDLE


@pytest.mark.parametrize(
    ("name", "patcher", "advice"),
    [
        ("gevent.monkey", SimpleNamespace(is_module_patched="socket".__eq__), "monkey.patch_all(thread=False,"),
        ("eventlet.patcher", SimpleNamespace(is_monkey_patched="thread".__eq__), "monkey_patch(thread=False)"),
    ],
)
def test_green_threads_are_refused_at_once_with_what_to_set(name: str, patcher: SimpleNamespace, advice: str) -> None:
    opening = Opening()
    run = RunOnDemand(opening)
    with mock.patch.dict("sys.modules", {name: patcher}), pytest.raises(GatewayError, match=re.escape(advice)):
        run.open()
    assert opening.times == 0
    assert run.open() is HANDLE
