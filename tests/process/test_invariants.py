"""Invariants that no other file here is about: who holds the billed socket, what unknown is, what is billed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import gateway_of
from tests.support.project import Project
from tests.support.vendor import KEY, Vendor

ENDLESS = """
import os, time
from pathlib import Path

def test_it(voice_agent):
    with voice_agent.connect():
        Path("environ").write_text(repr(dict(os.environ)))
        while not Path("go-on").exists():
            time.sleep(0.01)
"""


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_i2_only_the_gateway_holds_a_billed_socket_and_only_it_has_the_key(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.write("test_it.py", ENDLESS)
    process = project.start("--dg-budget=10m", workers, env=vendor.environ)
    vendor.wait_open(1)
    gateway = gateway_of(process.pid)
    port = int(vendor.url.partition("127.0.0.1:")[2].partition("/")[0])
    assert holders(project.path, port) == {gateway}
    assert KEY not in (project.path / "environ").read_text(encoding="utf-8")
    project.write("go-on", "")
    assert project.result(process).status == 0


def test_i2_a_token_is_worth_nothing_at_the_vendor(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_it.py",
        """
from pathlib import Path

def test_it(voice_agent):
    Path("token").write_text(voice_agent.endpoint.api_key)
    with voice_agent.connect(): pass
""",
    )
    assert project.run("--dg-budget=10m", env=vendor.environ).status == 0
    (seen,) = vendor.connections
    token = (project.path / "token").read_text(encoding="utf-8")
    assert seen.headers["authorization"] == f"Token {KEY}"
    assert token not in json.dumps(seen.headers)


def test_i7_what_nobody_saw_is_null_and_counted_in_full(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_it.py",
        """
import os, signal
from pathlib import Path

def test_it(voice_agent):
    with voice_agent.connect():
        for task in Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
""",
    )
    usage = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ).usage
    (session,) = usage["sessions"]
    unseen = ("seconds", "closed_at", "audio_in_seconds", "audio_out_seconds")
    assert [session[name] for name in unseen] == [None] * 4
    assert not session["confirmed"]
    assert usage["run"]["cost_usd"] is None
    assert (usage["run"]["used_seconds"], usage["run"]["at_risk_seconds"]) == (60, 60)
    assert usage["reconciliation"]["verdict"] == "off"


TELLS_ITS_SECRETS = """
import os
import pytest
from pathlib import Path
from pytest_dgbudget.plugin.state import STATE

def told(request, agent):
    state = request.config.stash[STATE]
    with Path(f"secrets-{os.getpid()}").open("a") as secrets:
        print(agent.endpoint.api_key, state.secret or state.run.gateway.membership._secret, file=secrets)
    return state, vars(agent), agent.endpoint, agent._opening

def test_fails(voice_agent, request):
    everything = told(request, voice_agent)
    with voice_agent.connect() as session:
        print(everything, session, vars(session))
        assert session.say("hi") is everything

@pytest.mark.dg_budget("1s")
def test_is_cut(voice_agent, request):
    everything = told(request, voice_agent)
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)

@pytest.mark.dg_budget("0")
def test_is_refused(voice_agent, request):
    everything = told(request, voice_agent)
    voice_agent.connect().__enter__()

@pytest.fixture
def breaks_behind(voice_agent, request):
    yield told(request, voice_agent)
    raise RuntimeError("in teardown")

def test_breaks_in_teardown(breaks_behind): pass
"""


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_i9_no_secret_is_in_what_a_failing_run_shows_or_leaves(project: Project, vendor: Vendor, workers: str) -> None:
    """The key, the control secret and each test's token; tests themselves get hold of the last two."""
    project.write("test_it.py", TELLS_ITS_SECRETS)
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


def test_i11_emulated_time_is_labelled_and_never_mixed_with_billed_time(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.write("test_it.py", "def test_it(voice_agent):\n    with voice_agent.connect(): pass\n")
    emulated = project.run("--dg-target=emulator", "--dg-run-id=one", "--dg-budget=10m")
    assert emulated.status == 0, emulated.output
    assert (emulated.usage["run"]["target"], emulated.usage["run"]["billed"]) == ("emulator", False)
    assert "not billed" in emulated.output
    live = project.run("--dg-run-id=one", "--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert live.status == 1
    assert "can't be mixed with 'live'" in live.output
    assert not vendor.connections
    other = project.run("--dg-run-id=two", "--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert (other.usage["run"]["target"], other.usage["run"]["billed"]) == ("live", True)
    assert other.usage["run"]["used_seconds"] == pytest.approx(vendor.total_seconds, abs=0.1)


BUDGETS = {"10": 10, "1h30m": 5400, "0.5h": 1800, "-1s": None, "nan": None, "5s5m": None}


@pytest.mark.parametrize("budget", BUDGETS)
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
    project.write("test_it.py", ENDLESS)
    both = [project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ) for _ in range(2)]
    vendor.wait_open(2)
    project.write("go-on", "")
    results = [project.result(process) for process in both]
    assert [result.status for result in results] == [0, 0], results[0].output + results[1].output
    assert len(vendor.wait_closed(2)) == 2
    assert results[0].usage["run"]["sessions"] == 1, "the last one to finish has the report"


@pytest.mark.parametrize("arguments", [("--co",), ("--setup-plan",), ("-p", "no:cacheprovider", "-n0")])
def test_what_collects_or_plans_opens_nothing(project: Project, vendor: Vendor, arguments: tuple[str, ...]) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    pass\n")
    result = project.run("--dg-budget=10m", *arguments, env=vendor.environ)
    assert result.status == 0, result.output
    assert not vendor.connections


def test_a_report_folder_that_can_not_be_written_costs_the_file_and_not_the_run(
    project: Project, vendor: Vendor
) -> None:
    project.write("report", "a file in its place")
    project.write("test_it.py", "def test_it(voice_agent):\n    with voice_agent.connect(): pass\n")
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
