"""Invariants that no other file here is about: who holds the billed socket, what unknown is, what is billed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import gateway_of
from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.slow import quick_only, slow
from tests.support.vendor import KEY, Vendor


@pytest.mark.parametrize("workers", ["-n0", slow("-n1")])
def test_i2_only_the_gateway_holds_a_billed_socket_and_only_it_has_the_key(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("invariants/test_endless.py")
    process = project.start("--dg-budget=10m", workers, env=vendor.environ)
    vendor.wait_open(1)
    gateway = gateway_of(process.pid)
    port = int(vendor.url.partition("127.0.0.1:")[2].partition("/")[0])
    assert holders(project.path, port) == {gateway}
    assert KEY not in (project.path / "environ").read_text(encoding="utf-8")
    token = (project.path / "token").read_text(encoding="ascii")
    (seen,) = vendor.connections
    assert seen.headers["authorization"] == f"Token {KEY}"
    assert token not in json.dumps(seen.headers), "it is worth nothing at the vendor"
    project.write("go-on", "")
    assert project.result(process).status == 0


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_i9_no_secret_is_in_what_a_failing_run_shows_or_leaves(project: Project, vendor: Vendor, workers: str) -> None:
    """The key, the control secret and each test's token; tests themselves get hold of the last two."""
    project.use("invariants/test_tells_its_secrets.py")
    shows_all = ("--showlocals", "--full-trace", "--tb=long", "-vv", "-rA", "-o", "junit_logging=all")
    arguments = ("--dg-budget=5m", "--dg-reconcile=off", "--junitxml=junit.xml", *shows_all)
    result = project.run(*arguments, workers, env=vendor.environ)
    assert set(result.outcomes().values()) <= {"failed", "error"}, result.output
    told = list(project.path.glob("secrets-*"))
    secrets = {KEY} | {secret for path in told for secret in path.read_text(encoding="utf-8").split()}
    assert len(secrets) >= 1 + 1 + 4
    files = {path for path in project.path.rglob("*") if path.is_file()} - set(told)
    assert {"usage.json", "ledger.db", "junit.xml"} <= {path.name for path in files}
    for secret in secrets:
        assert secret not in result.output
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_i11_emulated_time_is_labelled_and_never_mixed_with_billed_time(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.use("disk/test_one.py")
    emulated = project.run("--dg-target=emulator", "--dg-run-id=one", "--dg-budget=10m")
    assert emulated.status == 0, emulated.output
    assert (emulated.usage["run"]["target"], emulated.usage["run"]["billed"]) == ("emulator", False)
    assert "not billed" in emulated.output
    live = project.run("--dg-run-id=one", "--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert live.status == 1
    assert "was already used for target 'emulator' and can't be used for 'live'" in live.output
    assert not vendor.connections


BUDGETS = {"10": 10, "1h30m": 5400, "0.5h": 1800, "-1s": None, "nan": None, "5s5m": None}


@pytest.mark.parametrize("budget", quick_only(BUDGETS, "-1s"))
def test_a_budget_is_a_time_or_a_usage_error(project: Project, budget: str) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    assert voice_agent.remaining == 60\n")
    result = project.run(f"--dg-budget={budget}", "--dg-target=emulator", "--dg-test-budget=60s")
    seconds = BUDGETS[budget]
    if budget == "10":
        assert "assert 10.0 == 60" in result.output, "the run has less than the test"
    elif seconds is None:
        assert result.status == 4
        assert "1h30m" in result.output
    else:
        assert result.usage["run"]["budget_seconds"] == seconds


def test_two_pytests_at_once_in_one_folder_have_a_run_each(project: Project, vendor: Vendor) -> None:
    project.use("invariants/test_endless.py")
    both = [project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ) for _ in range(2)]
    vendor.wait_open(2)
    project.write("go-on", "")
    results = [project.result(process) for process in both]
    assert [result.status for result in results] == [0, 0], results[0].output + results[1].output
    assert len(vendor.wait_closed(2)) == 2
    assert results[0].usage["run"]["sessions"] == 1, "the last one to finish has the report"


@pytest.mark.parametrize("argument", [slow("--co"), slow("--setup-plan"), slow("-n0")])
def test_what_collects_or_plans_opens_nothing(project: Project, vendor: Vendor, argument: str) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    pass\n")
    result = project.run("--dg-budget=10m", argument, env=vendor.environ)
    assert result.status == 0, result.output
    assert not vendor.connections


@pytest.mark.slow
def test_a_report_folder_that_can_not_be_written_costs_the_file_and_not_the_run(
    project: Project, vendor: Vendor
) -> None:
    project.write("report", "a file in its place")
    project.use("disk/test_one.py")
    result = project.run("--dg-budget=10m", "--dg-report-dir=report", env=vendor.environ)
    assert result.status == 0, result.output
    assert "the report can't be written to" in result.output
    assert "verdict: within" in result.output


def holders(folder: Path, port: int) -> set[int]:
    """The processes that work below a folder and hold a connection to this port of loopback."""
    held = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder) and connections(process, port):
                held.add(int(process.name))
    return held


def connections(process: Path, port: int) -> set[str]:
    rows = [row.split() for row in (process / "net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    to_port = {row[9] for row in rows if row[2] == f"0100007F:{port:04X}"}
    mine = {link.removeprefix("socket:[").rstrip("]") for link in descriptors(process)}
    return to_port & mine


def descriptors(process: Path) -> set[str]:
    links = set()
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):
            links.add(str(descriptor.readlink()))
    return links
