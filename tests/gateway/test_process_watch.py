"""Owners are watched as processes: a connection that a forked child holds on to says nothing of their end."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget.gateway.process_watch import ProcessWatch
from pytest_dgbudget.processes import process_started

pytestmark = pytest.mark.asyncio


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.communicate()


def descriptors() -> set[str]:
    """What this process holds open."""
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


async def gone(child: subprocess.Popen[bytes]) -> None:
    """Watch it, end it, and return when its end is noticed."""
    noticed = asyncio.Event()
    ProcessWatch(child.pid, process_started(child.pid), noticed.set)
    end(child)
    await asyncio.wait_for(noticed.wait(), 10)


async def test_the_end_of_a_process_is_noticed(child: subprocess.Popen[bytes]) -> None:
    await gone(child)


async def test_the_end_of_a_process_is_noticed_where_the_system_has_no_descriptors_of_processes(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    await gone(child)


async def test_the_end_of_a_process_is_noticed_where_no_descriptor_is_left(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_descriptor(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", no_descriptor, raising=False)
    await gone(child)


async def test_a_watch_that_was_stopped_reports_nothing_and_holds_nothing(child: subprocess.Popen[bytes]) -> None:
    before = descriptors()
    noticed: list[bool] = []
    watch = ProcessWatch(child.pid, process_started(child.pid), lambda: noticed.append(True))
    watch.stop()
    assert descriptors() == before
    other = asyncio.Event()
    ProcessWatch(child.pid, process_started(child.pid), other.set)
    end(child)
    await asyncio.wait_for(other.wait(), 10)
    assert noticed == []


async def test_another_process_with_the_same_number_is_not_watched(child: subprocess.Popen[bytes]) -> None:
    """So is the process of another container, which has that number there."""
    before = descriptors()
    watch = ProcessWatch(child.pid, "at another time", lambda: pytest.fail("it is none of ours"))
    assert descriptors() == before
    watch.stop()
