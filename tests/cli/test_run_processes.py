"""``dgbudget run`` with real programs: sessions, statuses, reports, and what is theirs stays theirs."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_dgbudget.credentials import is_token
from tests.cli.conftest import DGBUDGET, PYTHON, MeteredPrograms
from tests.conformance import sdks
from tests.support.lean import LEAN
from tests.support.ledger import ends_of_leases
from tests.support.processes import gateway_of, is_running, wait_until
from tests.support.project import PYTEST, Project
from tests.support.recording_gateway import vendor_over_tls
from tests.support.vendor import KEY, Vendor

pytestmark = pytest.mark.slow


def test_a_program_is_metered_and_reported(programs: MeteredPrograms, vendor: Vendor) -> None:
    result = programs.run("--budget", "10m", "--reconcile=off", "--", PYTHON, "talk.py", "1", env=vendor.environ)
    assert result.status == 0, result.output
    (seen,) = vendor.wait_closed(1)
    (test,) = result.usage["tests"]
    (session,) = result.usage["sessions"]
    assert (test["nodeid"], test["outcome"], test["verdict"]) == (Path(PYTHON).name, "passed", "within")
    assert vendor.saw(result.usage, within=0.1), seen
    assert session["closed_by"] == "client"
    run = result.usage["run"]
    assert (run["target"], run["billed"], run["complete"], run["verdict"]) == ("live", True, True, "within")
    assert "used 1." in result.output
    assert f"live, BILLED by {vendor.url}; run budget 10m; report .dgbudget/report/usage.json" in result.output
    assert KEY not in result.output


def test_at_the_budget_the_sessions_are_cut_and_the_program_goes_on(programs: MeteredPrograms, vendor: Vendor) -> None:
    result = programs.run("--budget=1s", "--reconcile=off", "--", PYTHON, "until_closed.py", env=vendor.environ)
    assert result.status == 75, result.output
    (seen,) = vendor.wait_closed(1)
    assert seen.seconds <= 1
    lines = result.output.splitlines()
    assert [line for line in lines if not line.startswith("dgbudget: ")] == [
        "closed with 4402",
        "refused with 402",
        "going on",
    ]
    assert "dgbudget: exit status 75 for the overrun; the program's own was 0" in lines
    assert any("raise it with --budget" in line for line in lines)
    assert result.usage["run"]["verdict"] == "overrun"


def test_a_refusal_that_is_to_be_skipped_changes_no_status(programs: MeteredPrograms, vendor: Vendor) -> None:
    result = programs.run("--budget=0", "--on-exhausted=skip", "--", PYTHON, "talk.py", "1", env=vendor.environ)
    assert result.status == 1, result.output  # the program's own: its session was refused
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", False)
    assert vendor.connections == []


@pytest.mark.parametrize(("statement", "status"), [("warn", 0), ("require", 1)])
def test_only_a_reconciliation_that_is_required_fails_a_run(
    programs: MeteredPrograms, vendor: Vendor, statement: str, status: int
) -> None:
    env = {**vendor.environ, "DG_API_URL": "http://127.0.0.1:9"}
    arguments = ["--budget=10m", f"--reconcile={statement}", "--reconcile-timeout=1s"]
    result = programs.run(*arguments, "--", PYTHON, "talk.py", "0.2", env=env)
    assert result.status == status, result.output
    assert result.usage["reconciliation"]["verdict"] == "inconclusive"
    assert ("--reconcile=require, not reconciled" in result.output) == (status == 1)


def test_the_program_has_the_environment_of_a_run(programs: MeteredPrograms, vendor: Vendor) -> None:
    given = {**vendor.environ, "COPY_OF_THE_KEY": KEY, "DEEPGRAM_ACCESS_TOKEN": "eyJ.x.y", "http_proxy": "http://x:1"}
    ended = subprocess.run(
        [*DGBUDGET, "run", "--budget=10m", "--", PYTHON, "environment.py", "--budget", "--", "a b"],
        cwd=programs.project.path,
        env={**os.environ, **given},
        input="typed",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    shown = json.loads(ended.stdout)  # nothing of ours is in it
    assert (shown["arguments"], shown["input"]) == (["--budget", "--", "a b"], "typed")
    environment = shown["environment"]
    assert is_token(environment["DEEPGRAM_API_KEY"])
    assert environment["COPY_OF_THE_KEY"] == environment["DEEPGRAM_API_KEY"]
    assert environment["DGBUDGET_AGENT_URL"].startswith("ws://127.0.0.1:")
    assert environment["DGBUDGET_BASE_URL"].startswith("http://127.0.0.1:")
    assert environment["DGBUDGET_TARGET"] == "live"
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"
    assert {"DGBUDGET_ACTIVE", "DGBUDGET_BROWSER_SCRIPT", "DGBUDGET_REDIRECT", "PYTHONPATH"} <= environment.keys()
    assert "preload.cjs" in environment["NODE_OPTIONS"]
    assert "DEEPGRAM_ACCESS_TOKEN" not in environment
    assert KEY not in ended.stdout + ended.stderr


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_what_is_closed_for_the_command_is_closed_for_the_program(
    programs: MeteredPrograms, closed: tuple[int, ...]
) -> None:
    """Nothing of ours takes its place, either."""
    look = ["sh", "-c", "for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && : > open-$n; done; exit 5"]
    command = shlex.join([*DGBUDGET, "run", "--target=emulator", "--", *look])
    closing = " ".join(f"{number}>&-" for number in closed)
    result = programs.project.result(programs.project.launch(["sh", "-c", f"{command} {closing}"]))
    assert result.status == 5, result.output
    assert {path.name for path in programs.project.path.glob("open-*")} == {f"open-{n}" for n in {0, 1, 2} - {*closed}}


def test_an_application_that_was_started_before_has_a_token_of_its_own(
    programs: MeteredPrograms, vendor: Vendor
) -> None:
    token = "made-up-for-this-job-1234567890-1234567890"
    talk = f"AGENT_URL=$DGBUDGET_AGENT_URL DEEPGRAM_API_KEY={token} {PYTHON} talk.py 0.2"
    env = {**vendor.environ, "DG_APP_TOKEN": token}
    result = programs.run("--budget=10m", "--reconcile=off", "--", "sh", "-c", talk, env=env)
    assert result.status == 0, result.output
    assert result.usage["run"]["sessions"] == 1


def test_without_a_budget_the_target_is_the_emulator(programs: MeteredPrograms) -> None:
    result = programs.run("--", PYTHON, "talk.py", "0.2", env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 0, result.output
    assert (result.usage["run"]["target"], result.usage["run"]["sessions"]) == ("emulator", 1)


# Exit statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["sh", "-c", "exit 7"], 7, ""),
        (["sh", "-c", "kill -KILL $$"], 137, ""),
        (["no-such-program"], 127, "no-such-program is not found: it is in no folder of PATH"),
        (["./no-such-program"], 127, "./no-such-program is not found: there is no such file"),
        (["./talk.py"], 126, "./talk.py can't be run: Permission denied"),
        (["./lost.sh"], 127, "./lost.sh can't be run: the interpreter that its first line names is not there"),
    ],
    ids=["exits", "is killed", "not in PATH", "no file", "not executable", "no interpreter"],
)
def test_the_exit_status_is_the_programs_as_a_shell_has_it(
    programs: MeteredPrograms, command: list[str], status: int, said: str
) -> None:
    programs.project.write("lost.sh", "#!/no/such/interpreter\n").chmod(0o755)
    result = programs.run("--target=emulator", "--", *command)
    assert result.status == status, result.output
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_scenario_that_can_not_be_played_is_bad_usage(programs: MeteredPrograms) -> None:
    result = programs.run("--target=emulator", "--scenario=nothing.toml", "--", "touch", "started")
    assert result.status == 2
    assert "nothing.toml" in result.output
    assert not (programs.project.path / "started").exists()


def test_a_place_to_listen_that_is_taken_is_bad_usage(programs: MeteredPrograms) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"--listen=:{taken.getsockname()[1]}"
        result = programs.run("--target=emulator", listen, "--", "touch", "started")
    assert result.status == 2
    assert result.output.startswith("dgbudget run: --listen: ")
    assert not (programs.project.path / "started").exists()


def test_a_program_that_succeeds_although_nothing_could_be_metered_fails(
    programs: MeteredPrograms, vendor: Vendor
) -> None:
    programs.project.write("taken", "a file in place of the ledger's folder")
    arguments = ["--budget=1m", "--ledger=sqlite:///taken/ledger.db", "--report-dir=reports"]
    script = f"{PYTHON} talk.py 0.2 2>/dev/null || true"
    env = {**vendor.environ, "TMPDIR": str(programs.project.path)}  # for the gateway's log
    result = programs.run(*arguments, "--", "sh", "-c", script, env=env)
    assert result.status == 1, result.output
    assert "exit status 1, although the program's own was 0: no gateway could be started: " in result.output
    assert vendor.connections == []


# Who else there is ----------------------------------------------------------------------------------------------------


def test_i5_sessions_of_a_killed_command_are_closed_and_reported(programs: MeteredPrograms, vendor: Vendor) -> None:
    process = programs.start("--budget=10m", "--", PYTHON, "endless.py", env=vendor.environ)
    vendor.wait_open(1)
    gateway = gateway_of(process.pid)
    process.kill()
    vendor.wait_closed(1, timeout=1)
    wait_until(lambda: not is_running(gateway))
    os.killpg(process.pid, signal.SIGKILL)
    result = programs.project.result(process)
    assert (result.usage["run"]["complete"], result.usage["sessions"][0]["closed_by"]) == (False, "owner-lost")
    assert ends_of_leases(programs.project.path) == ["settled"]


def test_sessions_of_what_a_program_leaves_running_end_with_it(programs: MeteredPrograms, vendor: Vendor) -> None:
    result = programs.run("--budget=10m", "--reconcile=off", "--", PYTHON, "daemon.py", env=vendor.environ)
    daemon = int((programs.project.path / "daemon.pid").read_text(encoding="ascii"))
    os.kill(daemon, signal.SIGKILL)
    assert result.status == 0, result.output
    vendor.wait_closed(1, timeout=1)
    assert "1 session was still open when the program ended, and closed" in result.output
    assert result.usage["sessions"][0]["closed_by"] == "teardown"


def test_a_pytest_that_is_not_ours_belongs_to_the_command(programs: MeteredPrograms, vendor: Vendor) -> None:
    command = [*PYTEST, "-q", "test_of_the_program.py"]
    result = programs.run(
        "--budget=10m", "--reconcile=off", "--", *command, env={**vendor.environ, "PYTEST_ADDOPTS": LEAN}
    )
    assert result.status == 0, result.output
    assert result.usage["run"]["sessions"] == 2
    assert [test["sessions"] for test in result.usage["tests"]] == [2]
    assert vendor.saw(result.usage, within=0.2), vendor.connections


def test_a_client_that_would_go_past_the_gateway_fails_a_program_that_does_not_care(
    programs: MeteredPrograms, vendor: Vendor
) -> None:
    programs.project.use("redirect/raw_child.py")
    with vendor_over_tls(programs.project.path / "authority.pem") as past:
        port = past.address.rpartition(":")[2]
        result = programs.run("--budget=10m", "--", PYTHON, "raw_child.py", port, env=vendor.environ)
    assert result.status == 1, result.output
    assert "BypassRefused\n" in result.output
    assert "would have opened a session at agent.deepgram.com/v1/agent/converse past the gateway" in result.output
    assert (past.requests, result.usage["run"]["bypass"]) == ([], "unknown")


def test_a_command_inside_a_run_belongs_to_it_unless_it_is_given_its_own(
    programs: MeteredPrograms, vendor: Vendor
) -> None:
    inner = [*DGBUDGET, "run", "--", PYTHON, "talk.py", "0.2"]
    result = programs.run("--budget=10m", "--reconcile=off", "--", *inner, env=vendor.environ)
    assert result.status == 0, result.output
    assert "inside another run, and given neither --budget nor --target" in result.output
    assert result.usage["run"]["sessions"] == 1

    own = [*DGBUDGET, "run", "--budget=1m", "--report-dir=inner", "--", PYTHON, "talk.py", "0.2"]
    result = programs.run("--budget=10m", "--reconcile=off", "--", *own, env={**vendor.environ, "DG_BUDGET": "9m"})
    assert result.status == 0, result.output
    assert result.usage["run"]["sessions"] == 0
    inner_usage = json.loads((programs.project.path / "inner/usage.json").read_text(encoding="utf-8"))
    assert (inner_usage["run"]["target"], inner_usage["run"]["sessions"]) == ("emulator", 1)
    assert inner_usage["run"]["budget_seconds"] == 60


def test_a_shell_script_with_two_programs_and_a_module_path_of_its_own(
    programs: MeteredPrograms, vendor: Vendor
) -> None:
    """At its end, it tells its whole process group to end, and us with it."""
    result = programs.run("--budget=10m", "--reconcile=off", "--", "sh", "servers.sh", PYTHON, env=vendor.environ)
    assert result.usage["run"]["sessions"] == 2, result.output
    assert vendor.saw(result.usage, within=0.2), vendor.connections
    assert result.usage["run"]["complete"]


@pytest.mark.timeout(2 * sdks.INSTALL_SECONDS)
def test_npm_test(project: Project, vendor: Vendor) -> None:
    project.use("run_command_node")
    try:
        sdks.node_packages(project.path, "ws")
    except sdks.NotInstalled as reason:
        pytest.skip(str(reason))
    command = [*DGBUDGET, "run", "--budget=10m", "--reconcile=off", "--", "npm", "test"]
    result = project.result(project.launch(command, env=vendor.environ))
    assert result.status == 0, result.output
    (test,) = result.usage["tests"]
    assert (test["nodeid"], test["sessions"]) == ("npm", 1)
    assert vendor.saw(result.usage, within=0.1), vendor.connections


@pytest.mark.timeout(2 * sdks.INSTALL_SECONDS)
def test_tox_passes_the_variables_that_it_is_told_to_pass(
    programs: MeteredPrograms, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        python = sdks.python_sdk(tmp_path_factory.mktemp("tox"), "tox>=4")
    except sdks.NotInstalled as reason:
        pytest.skip(str(reason))
    path = {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if "site-packages" in entry)}
    command = [str(python), "-m", "tox", "-q"]
    result = programs.run("--budget=10m", "--reconcile=off", "--", *command, env={**vendor.environ, **path})
    assert result.status == 0, result.output
    assert result.usage["run"]["sessions"] == 1
