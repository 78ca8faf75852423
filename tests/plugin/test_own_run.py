"""A run with a budget or a target is ours: its environment, its process tokens, and whose each session is."""

from __future__ import annotations

import socket

import pytest

from pytest_dgbudget.credentials import is_token
from tests.support.peers import process_of
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.slow import slow
from tests.support.vendor import KEY, Vendor


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.create_server(("127.0.0.2", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def sessions_of(result: Result) -> dict[str, int]:
    """Return how many sessions each test had, by its name."""
    return {test["nodeid"].partition("::")[2]: test["sessions"] for test in result.usage["tests"]}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_what_is_imported_has_a_token_whose_sessions_are_the_running_tests(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("own_run/application.py", "own_run/test_at_import.py")
    project.write("key.txt", KEY)
    env = {**vendor.environ, "OTHER_NAME_FOR_IT": KEY, "DEEPGRAM_ACCESS_TOKEN": "a token of the vendor's"}
    result = project.run("--dg-budget=5m", "--dg-run-id=the-run", "--dist=loadfile", workers, env=env)
    assert "1 failed, 7 passed" in result.output
    cut = "test_at_import.py::test_is_cut_although_it_notices_nothing - pytest_dgbudget.BudgetExceeded"
    assert cut[:70] in result.output
    assert "BudgetExceeded: test budget of 1s used up" in result.output
    assert "traceback entries are hidden" not in result.output
    assert sessions_of(result) == {
        "test_one_session": 1,
        "test_two_sessions_beside_the_fixtures_own": 3,
        "test_leaves_one_open": 1,
        "test_is_cut_although_it_notices_nothing": 1,
        "test_opens_one_in_its_teardown": 1,
    }
    assert len(vendor.connections) == 7
    assert {seen.headers["authorization"] for seen in vendor.connections} == {f"Token {KEY}"}
    outcomes = {test["nodeid"].partition("::")[2]: test["outcome"] for test in result.usage["tests"]}
    assert outcomes.pop("test_is_cut_although_it_notices_nothing") == "failed"
    assert set(outcomes.values()) == {"passed"}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_whatever_key_the_code_under_test_has_the_gateway_alone_dials_with_the_real_one(
    project: Project, workers: str
) -> None:
    project.use("own_run/keys")
    project.write(".env", f"DEEPGRAM_API_KEY={KEY}\n")
    with Vendor(process_of=process_of) as vendor:
        project.write("url.txt", vendor.url)
        result = project.run("--dg-budget=5m", "--dg-reconcile=off", workers, env=vendor.environ)
        seen = vendor.wait_closed(3)
    assert result.status == 0, result.output
    assert [one.headers["authorization"] for one in seen] == [f"Token {KEY}"] * 3
    assert [one.process for one in seen if "pytest_dgbudget.gateway" not in str(one.process)] == []
    assert sessions_of(result) == {"test_key_at_import": 1, "test_key_of_the_file": 1, "test_key_in_the_code": 1}


@pytest.mark.parametrize(
    ("workers", "arguments"),
    [slow("-n0", ["--dg-target=emulator"]), slow("-n2", ["--dg-target=emulator"]), slow("-n0", []), slow("-n2", [])],
)
def test_an_application_that_is_started_once_serves_whichever_test_runs(
    project: Project, workers: str, arguments: list[str]
) -> None:
    project.use("own_run/application.py", "own_run/server.py", "own_run/test_once.py")
    result = project.run(workers, "--dist=loadfile", *arguments)
    assert "1 failed, 3 passed" in result.output
    assert "BudgetExhausted" in result.output
    assert sessions_of(result) == {
        "test_first": 1,
        "test_second": 1,
        "test_third_has_no_budget": 0,
        "test_fourth_visits_twice": 2,
    }


def test_who_counts_on_a_session_of_an_earlier_test_or_brings_a_client_of_its_is_told(project: Project) -> None:
    project.use("own_run/application.py", "own_run/test_borders.py")
    result = project.run("--dg-target=emulator", "-p", "no:randomly")
    assert "2 failed, 2 passed" in result.output
    closed = "the session opened by fixture shared in test test_borders.py::test_has_it was closed when"
    charged = "a client whose session the end of test_borders.py::test_opens_one closed opened another one in this test"
    assert result.output.count(closed) == 2, result.output  # each later test that fails
    assert result.output.count(charged) == 1, result.output
    assert sessions_of(result) == {"test_has_it": 1, "test_opens_one": 1, "test_is_charged_for_the_next": 1}


@pytest.mark.slow
def test_a_worker_in_place_of_a_crashed_one_has_a_token_of_its_own(project: Project) -> None:
    project.use("own_run/application.py", "own_run/test_crash.py")
    result = project.run("-n1", "--dg-target=emulator")
    assert "1 failed, 1 passed" in result.output
    assert is_token((project.path / "key.txt").read_text(encoding="utf-8"))
    assert sessions_of(result) == {"test_crashes": 1, "test_is_run_by_another_worker": 1}


@pytest.mark.parametrize("workers", [slow("-n0"), slow("-n1")])
def test_what_a_pytest_opens_that_a_test_starts_belongs_to_that_test(project: Project, workers: str) -> None:
    project.use("own_run/application.py", "own_run/test_nested.py")
    result = project.run(workers, "--dg-target=emulator", "test_nested.py")
    assert "1 passed" in result.output
    assert sessions_of(result) == {"test_outer": 1}
    assert not (project.path / "inner/.dgbudget").exists()


@pytest.mark.parametrize("workers", [slow("-n0"), slow("-n1")])
def test_a_session_that_is_opened_while_no_test_runs_is_refused_at_once(project: Project, workers: str) -> None:
    project.use("own_run/application.py", "own_run/imports")
    result = project.run(workers, "--dg-target=emulator")
    assert "1 passed" in result.output
    refused = (project.path / "refused.txt").read_text(encoding="utf-8")
    assert refused.startswith("403 DGBUDGET_NO_TEST")
    assert workers == "-n1" or refused.endswith("True")
    assert "refused (403 DGBUDGET_NO_TEST): no test was running" in result.output
    assert sessions_of(result) == {"test_it": 1}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_the_end_of_the_run_says_that_a_session_was_opened_at_collection(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("own_run/application.py", "own_run/test_at_collection.py")
    result = project.run("--dg-budget=5m", "--dg-reconcile=off", workers, env=vendor.environ)
    assert "1 passed" in result.output
    assert "a client was refused: 403 DGBUDGET_NO_TEST: no test is running" in result.output
    assert "no session reached the gateway" not in result.output


@pytest.mark.slow
def test_a_live_pytest_in_a_run_is_told_that_its_key_is_a_token(project: Project) -> None:
    project.use("own_run/test_nested_live.py")
    result = project.run("--dg-target=emulator")
    assert "1 passed" in result.output


@pytest.mark.slow
def test_an_application_that_needs_a_key_can_be_imported_without_one(project: Project) -> None:
    project.use("own_run/test_key_wanted.py")
    assert "1 passed" in project.run("--dg-target=emulator").output


def test_an_application_elsewhere_that_was_started_before_pytest_reaches_the_running_test(project: Project) -> None:
    address, token = f"127.0.0.2:{free_port()}", "the-token-of-an-application-in-a-container"
    project.use("own_run/application.py", "own_run/test_elsewhere.py")
    project.write("address.txt", address)
    project.write("token.txt", token)
    env = {"DG_APP_TOKEN": token}
    result = project.run("--dg-target=emulator", f"--dg-listen={address}", env=env)
    assert "1 passed" in result.output
    assert f"applications elsewhere reach the gateway at {address}" in result.output
    assert sessions_of(result) == {"test_it": 1}
    files = (path for path in project.path.rglob("*") if path.is_file() and path.suffix != ".txt")
    everything = b"".join(path.read_bytes() for path in files)
    assert token not in result.output
    assert token.encode() not in everything


@pytest.mark.slow
def test_the_token_of_an_application_is_ambiguous_where_several_workers_run_tests(project: Project) -> None:
    token = "the-token-of-an-application-in-a-container"
    project.use("own_run/application.py", "own_run/test_ambiguous.py")
    project.write("token.txt", token)
    env = {"DG_APP_TOKEN": token}
    result = project.run("--dg-target=emulator", "-n2", "--dist=each", env=env)
    assert "2 passed" in result.output
    result = project.run("--dg-target=emulator", "-n1", env=env)
    assert "1 failed" in result.output


@pytest.mark.parametrize("address", ["203.0.113.1:80", "{taken}"])
def test_a_place_where_nothing_can_listen_is_a_usage_error(pytester: pytest.Pytester, address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = address.format(taken=f"127.0.0.1:{taken.getsockname()[1]}")
        result = pytester.runpytest_inprocess("--dg-target=emulator", f"--dg-listen={address}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: pytest-dgbudget: --dg-listen: nothing can listen at {address}: *"])


@pytest.mark.parametrize("token", ["short", "with a blank in the middle of the token", KEY, "f" * 40])
def test_a_token_of_an_application_that_can_not_be_one_is_a_usage_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("DG_APP_TOKEN", token)
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    result = pytester.runpytest_inprocess("--dg-target=emulator")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest-dgbudget: DG_APP_TOKEN is *"])
    assert token not in str(result.stderr)


def test_a_live_run_needs_the_plugin_before_the_first_conftest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    monkeypatch.setenv("DG_BUDGET", "5m")
    pytester.makeconftest("pytest_plugins = ['pytest_dgbudget.plugin']")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest-dgbudget: a live run needs the plugin before the first conftest *"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [slow("-n0"), slow("-n2")])
def test_no_session_of_a_shared_application_lands_in_another_test(project: Project, workers: str) -> None:
    project.use("own_run/application.py", "own_run/server.py", "own_run/test_once.py", "own_run/test_rounds.py")
    result = project.run(workers, "--dg-target=emulator", "-k", "round", timeout=300)
    assert "200 passed" in result.output
    assert set(sessions_of(result).values()) == {1}
    assert len(sessions_of(result)) == 200


@pytest.mark.parametrize("workers", ["-n0", slow("-n2")])
def test_an_application_with_the_vendors_url_and_a_key_in_its_code_is_metered_cut_and_closed(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("own_run/redirected")
    result = project.run("--dg-budget=5m", "--dist=loadfile", workers, env=vendor.environ)
    assert "1 failed, 4 passed" in result.output
    assert sessions_of(result) == {"test_in_process": 1, "test_in_a_child": 1, "test_is_cut": 1, "test_leaks": 1}
    assert {seen.headers["authorization"] for seen in vendor.connections} == {f"Token {KEY}"}
    closed_by = {session["nodeid"].partition("::")[2]: session["closed_by"] for session in result.usage["sessions"]}
    assert closed_by == {
        "test_in_process": "client",
        "test_in_a_child": "client",
        "test_is_cut": "test-budget",
        "test_leaks": "teardown",
    }
    ours = {session["request_id"]: session["seconds"] for session in result.usage["sessions"]}
    theirs = {seen.request_id: seen.seconds for seen in vendor.connections}
    assert ours.keys() == theirs.keys()
    assert all(abs(ours[name] - theirs[name]) < 0.5 for name in ours), (ours, theirs)
    assert theirs[max(theirs, key=lambda name: theirs[name])] <= 1
