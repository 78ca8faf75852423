"""Runs that share a ledger: at once, one after the other, and after one that nobody could end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.ledger.run_lock import is_live
from tests.process.test_disk import power_fails
from tests.support.ledger import ends_of_leases, rows_of
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.slow import slow
from tests.support.vendor import Vendor


@pytest.mark.slow
def test_a_run_id_that_is_in_use_is_refused_before_anything_is_dialled(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.use("one_ledger/test_waits.py")
    arguments = ("--dg-budget=10m", "--dg-run-id=one", "--dg-reconcile=off")
    first = project.start(*arguments, env=vendor.environ)
    vendor.wait_open(1)
    second = project.run(*arguments, env=vendor.environ)
    assert second.status == 1
    assert "run id 'one' is in use by another pytest on this ledger; choose another --dg-run-id" in second.output
    assert len(vendor.connections) == 1
    project.write("go-on", "")
    assert project.result(first).status == 0
    assert ends_of_leases(project.path) == ["settled"]


@pytest.mark.slow
def test_what_a_machine_took_with_it_is_charged_in_full_and_its_run_goes_on(project: Project, vendor: Vendor) -> None:
    """Both pytest and gateway are gone at once: the lock of their run is stale, and their lease open."""
    project.expects_log = True
    project.use("one_ledger/test_waits.py")
    arguments = ("--dg-budget=90s", "--dg-run-id=one", "--dg-reconcile=off")
    process = project.start(*arguments, env=vendor.environ)
    vendor.wait_open(1)
    power_fails(process.pid)
    vendor.wait_closed(1)
    folder = project.path / ".dgbudget"
    assert (folder / "run-one.lock").exists()
    wait_until(lambda: not is_live(folder, "one"))
    assert ends_of_leases(project.path) == [None]
    project.use("disk/test_one.py")
    result = project.run(*arguments, "test_one.py", env=vendor.environ)
    assert result.status == 0, result.output
    assert ends_of_leases(project.path) == ["orphaned", "settled"]
    run, (lost, session) = result.usage["run"], result.usage["sessions"]
    assert (lost["closed_by"], lost["seconds"], lost["confirmed"]) == ("gateway-lost", None, False)
    assert run["used_seconds"] == pytest.approx(60 + session["seconds"], abs=0.001)
    assert run["at_risk_seconds"] == 60
    again = project.run(*arguments, "test_one.py", env=vendor.environ)
    assert again.usage["run"]["at_risk_seconds"] == 60, "charged once"
    assert ends_of_leases(project.path) == ["orphaned", "settled", "settled"]


@pytest.mark.slow
def test_a_lease_of_another_run_that_is_live_is_left_alone(project: Project, vendor: Vendor) -> None:
    project.use("one_ledger/test_waits.py")
    first = project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    vendor.wait_open(1)
    project.use("disk/test_one.py")
    other = project.run("--dg-budget=10m", "--dg-reconcile=off", "test_one.py", env=vendor.environ)
    assert other.status == 0, other.output
    assert ends_of_leases(project.path) == [None, "settled"]
    project.write("go-on", "")
    assert project.result(first).status == 0
    assert ends_of_leases(project.path) == ["settled", "settled"]


@pytest.mark.parametrize("names", [slow(("one", "two")), slow(("one", "two", "three", "four"))], ids=len)
def test_many_gateways_write_at_once_and_nobody_waits_for_ever(
    project: Project, vendor: Vendor, names: tuple[str, ...]
) -> None:
    project.use("many/test_it.py")
    sessions = 25 * len(names)
    runs = {name: project.start(*on_its_own(name), env={**vendor.environ, "TESTS": "25"}) for name in names}
    results = {name: project.result(process, timeout=100) for name, process in runs.items()}
    assert [result.status for result in results.values()] == [0] * len(names), [
        result.output for result in results.values()
    ]
    assert ends_of_leases(project.path) == ["settled"] * sessions
    charged = dict(rows_of(project.path, CHARGED))
    for name in names:
        assert usage_of(project.path, name)["used_seconds"] == charged[name] / 1000
    assert sum(charged.values()) / 1000 == pytest.approx(vendor.total_seconds, abs=sessions * 0.1)


CHARGED = (
    "SELECT lease.run, SUM(lease_end.ms) FROM lease JOIN lease_end ON lease_end.lease = lease.id GROUP BY lease.run"
)


def on_its_own(run: str) -> list[str]:
    return ["--dg-budget=1h", f"--dg-run-id={run}", f"--dg-report-dir={run}", "--dg-reconcile=off"]


def usage_of(project: Path, run: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((project / run / "usage.json").read_text(encoding="utf-8"))["run"]
    return document
