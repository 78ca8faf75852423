"""xdist's workers on another machine have gateways of their own, and spend from the budgets of the run."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from tests.support.own_network import own_network
from tests.support.postgres import PostgresServer
from tests.support.priced_vendor import PricedVendor
from tests.support.processes import wait_until
from tests.support.project import Project, Result
from tests.support.vendor import KEY, Vendor

ROOT = Path(__file__).parents[2]
OTHER_KEY = KEY[::-1]
PASSWORD = "of-the-ledgers-server"
OPTIONS = ("--dg-reconcile=off", "--dist=load", "-p", "no:rerunfailures", "-v")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class TwoMachines:
    """A project on this machine and on another one, in a folder there, with a ledger that both reach."""

    def __init__(self, project: Project, vendor: Vendor, ledger: str, there: Path) -> None:
        own_network()  # skips where there can be none
        project.use("two_machines")
        self.project = project
        self.there = there
        self._vendor = vendor
        self.ledger = ledger

    @property
    def variables(self) -> dict[str, str]:
        """The controller's."""
        return {**self._vendor.environ, "DG_LEDGER": self.ledger}

    def worker_there(self, **variables: str) -> str:
        """Return the option for a worker on the other machine, which inherits nothing.

        Without ``variables``, it has there what it needs.
        """
        shutil.copytree(self.project.path, self.there)
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        needed = {"DEEPGRAM_API_KEY": OTHER_KEY, "DG_LEDGER": self.ledger}
        variables = {**inherited, "PYTHONPATH": str(ROOT), **(variables or needed)}
        set_up = " ".join(f"{name}='{value}'" for name, value in variables.items())
        command = f"{sys.executable} -m tests.support.other_machine {urlsplit(self._vendor.url).port} --"
        script = self.there / "python.sh"
        script.write_text(f'#!/bin/sh\ncd {self.there}\nexec env -i {set_up} {command} {sys.executable} "$@"\n')
        script.chmod(0o700)
        return f"--tx=popen//python={script}"

    def run(self, *arguments: str) -> Result:
        return self.project.run(*OPTIONS, *arguments, env=self.variables)


@pytest.fixture
def vendor() -> Iterator[PricedVendor]:
    with PricedVendor() as server:
        yield server


@pytest.fixture
def machines(
    project: Project, vendor: PricedVendor, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoMachines]:
    ledger = postgres.new_ledger().replace("postgres@", f"postgres:{PASSWORD}@")
    there = tmp_path_factory.mktemp("other") / "machine"
    yield TwoMachines(project, vendor, ledger, there)
    left = {path.name for path in there.glob(".dgbudget/**/*")}
    assert not [name for name in left if name == "usage.json" or name.endswith((".lock", ".log", ".recordings"))], left


def figures_of(junit: Path) -> dict[str, dict[str, str]]:
    cases = ElementTree.parse(junit).getroot().iter("testcase")  # our own file
    return {
        str(case.get("name")): {str(each.get("name")): str(each.get("value")) for each in case.iter("property")}
        for case in cases
    }


def test_i3_workers_on_two_machines_share_one_budget(machines: TwoMachines, vendor: Vendor) -> None:
    there = machines.worker_there()
    result = machines.run(
        "test_shared.py", "--tx=popen", there, "--dg-budget=5s", "--dg-test-budget=2s", "--junitxml=junit.xml"
    )
    assert all(f"[{worker}] " in result.output for worker in ("gw0", "gw1")), result.output
    seen, used = vendor.wait_closed(4), result.usage["run"]["used_seconds"]
    assert 3.5 < sum(each.seconds for each in seen) <= 5, result.output
    assert {each.headers["authorization"] for each in seen} == {f"Token {KEY}", f"Token {OTHER_KEY}"}
    assert vendor.saw(result.usage, within=0.5), seen
    assert sorted(each["request_id"] for each in result.usage["sessions"]) == sorted(each.request_id for each in seen)
    assert (result.status, result.usage["run"]["verdict"], result.usage["run"]["complete"]) == (1, "overrun", True)
    figures = figures_of(machines.project.path / "junit.xml")
    assert len(figures) == 8
    assert sum(float(each["dgbudget.seconds"]) for each in figures.values()) == pytest.approx(used, abs=0.01)


def test_i3_workers_on_two_machines_share_one_budget_in_money(machines: TwoMachines, vendor: PricedVendor) -> None:
    machines.project.use("spending/test_shares.py")
    there = machines.worker_there()
    result = machines.run("test_shares.py", "--tx=popen", there, "--dg-cost-budget=0.015")
    assert all(f"[{worker}] " in result.output for worker in ("gw0", "gw1")), result.output
    seen, run = vendor.wait_closed(3), result.usage["run"]
    assert {each.headers["authorization"] for each in seen} == {f"Token {KEY}", f"Token {OTHER_KEY}"}
    assert any(map(vendor.raised, seen))
    assert 0.01 < vendor.total_dollars <= run["cost_usd"] <= 0.015, result.output
    assert (result.status, run["verdict"], run["complete"]) == (1, "overrun", True)


@pytest.mark.parametrize(
    "options",
    [["--dg-budget=5m", "--dg-run-key=on", "--dg-reconcile=require"], []],
    ids=["live", "not ours"],
)
def test_what_workers_elsewhere_used_is_reported_where_nothing_else_was(
    machines: TwoMachines, vendor: Vendor, options: list[str]
) -> None:
    result = machines.run("test_alone.py::test_opens", machines.worker_there(), *options)
    assert result.status == 0, result.output
    (session,), run = result.usage["sessions"], result.usage["run"]
    assert (run["sessions"], run["complete"], run["at_risk_seconds"]) == (1, True, 0)
    assert session["nodeid"] == "test_alone.py::test_opens"
    if options:
        assert [each.headers["authorization"] for each in vendor.wait_closed(1)] == [f"Token {OTHER_KEY}"]
        assert any("dialled with their machines' keys" in notice for notice in result.usage["notices"])
    else:
        assert (run["target"], vendor.connections) == ("emulator", [])


def test_i9_neither_key_nor_password_travels_to_a_worker_elsewhere(machines: TwoMachines) -> None:
    result = machines.run("test_alone.py::test_opens", machines.worker_there(), "--dg-budget=5m")
    told = (machines.there / "told.json").read_text(encoding="utf-8")
    assert '"run_config"' in told
    assert KEY not in told + result.output
    assert OTHER_KEY not in told + result.output
    assert PASSWORD not in told.replace(machines.ledger, "") + result.output


def test_without_a_key_there_a_worker_elsewhere_opens_nothing(machines: TwoMachines, vendor: Vendor) -> None:
    machines.project.use("worker_elsewhere")
    says = {"ELSEWHERE": "set.DEEPGRAM_API_KEY.here", "BACKWARDS": KEY[::-1]}
    there = machines.worker_there(DG_LEDGER=machines.ledger, **says)
    result = machines.run("test_sessions.py", there, "--dg-budget=5m")
    assert (result.status, vendor.connections, result.usage["run"]["sessions"]) == (0, [], 0), result.output


def test_i5_sessions_of_a_killed_worker_elsewhere_are_closed_at_once(machines: TwoMachines, vendor: Vendor) -> None:
    there = machines.worker_there()
    result = machines.run("test_alone.py::test_is_killed", there, "--dg-budget=5m", "--junitxml=junit.xml")
    (seen,), (session,) = vendor.wait_closed(1), result.usage["sessions"]
    assert seen.seconds < 5
    assert (session["closed_by"], session["request_id"]) == ("owner-lost", seen.request_id)
    assert session["seconds"] == pytest.approx(seen.seconds, abs=0.5)
    assert (result.usage["run"]["at_risk_seconds"], result.usage["run"]["complete"]) == (0, True)
    figures = figures_of(machines.project.path / "junit.xml")["test_is_killed"]
    assert float(figures["dgbudget.seconds"]) == session["seconds"]


def test_what_a_gateway_elsewhere_has_not_settled_is_charged_in_full_and_said(
    machines: TwoMachines, vendor: Vendor
) -> None:
    there = machines.worker_there()
    try:
        result = machines.run("test_alone.py", "-k", "still", there, "--dg-budget=5m", "--dg-test-budget=20s")
    finally:
        os.kill(int((machines.there / "gateway.pid").read_text(encoding="ascii")), signal.SIGCONT)
    run = result.usage["run"]
    assert (run["used_seconds"], run["at_risk_seconds"], run["complete"]) == (20, 20, True)
    assert any("have not settled them yet: 20s is charged in full" in notice for notice in result.usage["notices"])
    vendor.wait_closed(1)
    wait_until(lambda: not list((machines.there / ".dgbudget").glob("*.lock")))


def test_i5_sessions_of_workers_elsewhere_are_closed_when_their_controller_is_killed(
    machines: TwoMachines, vendor: Vendor
) -> None:
    there = machines.worker_there()
    process = machines.project.start(
        "test_alone.py::test_stays_open", there, "--dg-budget=5m", *OPTIONS, env=machines.variables
    )
    (seen,) = vendor.wait_open(1)
    killed_at = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)
    vendor.wait_closed(1)
    assert seen.closed_at is not None
    assert seen.closed_at - killed_at < 3, "xdist itself lets its workers live longer"
    process.communicate(timeout=60)
    wait_until(lambda: not list((machines.there / ".dgbudget").glob("*.lock")))
