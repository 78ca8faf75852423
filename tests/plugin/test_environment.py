"""What a test finds in os.environ, and where the real key is: nowhere but in the gateway's memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import gateway_of
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.slow import slow
from tests.support.variables import clean_environment
from tests.support.vendor import KEY, Vendor


@pytest.mark.parametrize("key", [KEY, slow("")], ids=["a key", "no key"])
def test_in_a_run_that_is_not_ours_it_is_a_tests_own_while_it_runs_and_put_back_afterwards(
    project: Project, key: str
) -> None:
    project.use("environment/test_before_and_after.py")
    project.write("key.txt", key)
    result = project.run("--dg-run-id=the-run", env={"DEEPGRAM_API_KEY": key} if key else {})
    assert result.status == 0, result.output


def test_the_environment_is_put_back_when_the_setup_of_another_fixture_fails(project: Project) -> None:
    project.use("environment/test_setup_fails.py")
    result = project.run("-q")
    assert "1 passed, 1 error" in result.output


@pytest.mark.slow
def test_a_pytest_started_inside_a_test_uses_the_emulator(project: Project, vendor: Vendor) -> None:
    project.use("environment/test_outer.py")
    project.write("inner/pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    project.write("inner/test_in.py", "def test_in(voice_agent):\n    with voice_agent.connect(): pass\n")
    result = project.run("--dg-budget=5m", "test_outer.py", env=vendor.environ)
    assert result.status == 0, result.output
    inner = Result(0, "", project.path / "inner").usage
    assert (inner["run"]["target"], inner["run"]["sessions"]) == ("emulator", 1)
    assert vendor.connections == []


# The real key -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=ALONE_AND_UNDER_XDIST, scope="module")
def after_a_failing_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Result, dict[str, bytes]]]:
    """A finished live run, and what /proc showed of its processes while a session was open."""
    with pytest.MonkeyPatch.context() as patch, Vendor() as vendor:
        for name in ("DEEPGRAM_API_KEY", "DG_AGENT_URL"):
            patch.delenv(name, raising=False)
        project = Project(tmp_path_factory.mktemp("key"))
        project.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        project.use("environment/test_fails.py")
        env = clean_environment(vendor.environ)
        arguments = (
            "--dg-budget=5m",
            "--showlocals",
            "-rA",
            "-vv",
            "--junitxml=junit.xml",
            "--tb=long",
            "--full-trace",
        )
        process = project.start(*arguments, request.param, env=env)
        try:
            vendor.wait_open(1)
            gateway = gateway_of(process.pid)
            files = {name: Path(f"/proc/{gateway}/{name}").read_bytes() for name in ("cmdline", "environ")}
            files["log"] = next((project.path / ".dgbudget").glob("gateway-*.log")).read_bytes()
            project.write("go-on", "")
            yield project.result(process), files
        finally:
            project.end()


Finished = tuple[Result, dict[str, bytes]]


def test_the_run_for_the_key_failed_as_it_should(after_a_failing_run: Finished) -> None:
    result, _ = after_a_failing_run
    assert result.status == 1, result.output
    assert {"test_fails", "test_cut"} <= {name for name, became in result.outcomes().items() if became == "failed"}
    assert "environ" in result.output, "the locals are shown"


def test_the_key_is_not_in_the_output(after_a_failing_run: Finished) -> None:
    result, _ = after_a_failing_run
    assert KEY not in result.output


@pytest.mark.parametrize("what", ["cmdline", "environ", "log"])
def test_the_key_is_not_in_what_the_system_shows_of_the_gateway(after_a_failing_run: Finished, what: str) -> None:
    _, files = after_a_failing_run
    assert KEY.encode() not in files[what]
    assert what != "environ" or b"PATH=" in files[what]


def test_nothing_of_ours_is_in_the_gateways_environment(after_a_failing_run: Finished) -> None:
    _, files = after_a_failing_run
    names = {pair.partition(b"=")[0] for pair in files["environ"].split(b"\0")}
    assert not {name for name in names if name.startswith((b"DEEPGRAM_", b"DG_", b"DGBUDGET_"))}


def test_the_key_is_in_no_file_of_the_run(after_a_failing_run: Finished) -> None:
    result, _ = after_a_failing_run
    files = [path for path in result.path.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"usage.json", "ledger.db", "junit.xml"} <= names
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert json.loads((result.path / ".dgbudget/report/usage.json").read_text(encoding="utf-8"))["run"]["billed"]
