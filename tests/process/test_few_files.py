"""A gateway that may hold no more files open: whoever connects is told so, and nothing spins, fills a disk or waits."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pytest_dgbudget.control.run import join_gateway
from pytest_dgbudget.errors import GatewayError
from tests.support.gateway import RunningGateway, opened, status_of
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.slow import slow
from tests.support.vendor import Vendor

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of others are changed on Linux")

IN_USE = "and all are in use: raise the limit (ulimit -n)"


@pytest.fixture
def gateway(vendor: Vendor, tmp_path: Path) -> Iterator[RunningGateway]:
    with opened(vendor.url, tmp_path) as gateway:
        yield gateway


@contextmanager
def allowed(gateway: RunningGateway, *, more: int) -> Iterator[None]:
    """Let the gateway open so many files more than it has, by others that connect and say nothing."""
    before = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    used = {int(file.name) for file in Path(f"/proc/{gateway.pid}/fd").iterdir()}
    most = max(used) + 1 + more
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (most, before[1]))
    with ExitStack() as others:
        for _ in range(most - len(used) - more):
            others.enter_context(gateway.peer())
        wait_until(lambda: gateway.files() == most - more)
        yield
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, before)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_whoever_connects_when_no_file_is_left_is_told_so(gateway: RunningGateway, vendor: Vendor) -> None:
    head = gateway.head(more=f"Authorization: Token {gateway.grant().token}\r\n")
    before = cpu_seconds(gateway.pid)
    with allowed(gateway, more=0), gateway.peer() as silent, ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(gateway.ask, [head] * 20))
        with pytest.raises(GatewayError, match="files open") as refused:
            join_gateway(gateway.port, gateway.secret, None)
        assert silent.recv(1) == b"", "who says nothing makes room for others"
    assert {status_of(answer) for answer in answers} == {503}
    assert all(b"DGBUDGET_OPEN_FILES" in answer and IN_USE.encode() in answer for answer in answers)
    assert IN_USE in str(refused.value)
    assert cpu_seconds(gateway.pid) - before < 2
    assert gateway.log().count(IN_USE) == 1
    assert len(gateway.log()) < 1000
    assert vendor.connections == []
    gateway.serves()
    finished = gateway.run.finish(0, wait=False, still_waiting=lambda: None)
    assert any(IN_USE in notice for notice in finished["notices"])


def test_a_dial_for_which_no_file_is_left_says_so(gateway: RunningGateway, vendor: Vendor) -> None:
    head = gateway.head(more=f"Authorization: Token {gateway.grant().token}\r\n")
    with allowed(gateway, more=1):
        answer = gateway.ask(head)
    assert status_of(answer) == 503
    assert b"DGBUDGET_OPEN_FILES" in answer
    assert vendor.connections == []
    gateway.serves()


@pytest.mark.parametrize("most", [slow("12"), "14", slow("23")])
def test_a_gateway_that_may_hold_too_few_files_open_says_so_at_once(
    project: Project, vendor: Vendor, most: str
) -> None:
    project.expects_log = True
    project.use("few_files/sitecustomize.py", "disk/test_one.py")
    began = time.monotonic()
    environ = {**vendor.environ, **project.importable, "MOST_FILES": most}
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
    assert time.monotonic() - began < 30
    assert result.status == 1, result.output
    assert f"the gateway may hold {most} files open, and needs 24 at least" in result.output
    assert (result.usage["run"]["complete"], result.usage["run"]["sessions"]) == (False, 0)
    assert sum(log.stat().st_size for log in project.path.glob(".dgbudget/*.log")) < 10_000


@pytest.mark.slow
def test_with_the_fewest_files_that_it_needs_a_gateway_serves_a_session(project: Project, vendor: Vendor) -> None:
    project.use("few_files/sitecustomize.py", "disk/test_one.py")
    environ = {**project.importable, "MOST_FILES": "24"}
    result = project.run("--dg-target=emulator", "--dg-budget=10m", env=environ)
    assert result.status == 0, result.output
