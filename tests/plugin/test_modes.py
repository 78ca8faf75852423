"""The same small project works, and is metered, in every way in which people run pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.plugin.conftest import asyncio_closes_its_loops
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.scripted_vendor import talk
from tests.support.slow import slow
from tests.support.variables import clean_environment
from tests.support.vendor import Vendor

NO_ASYNCIO_SETTINGS = "[pytest]\n"
EVERY_PLUGIN = {"PYTEST_ADDOPTS": ""}


@pytest.fixture
def scripted(vendor: Vendor) -> Vendor:
    vendor._talk = talk
    return vendor


def check_metered(result: Result, scripted: Vendor, tests: int) -> None:
    """Every session that the vendor saw is in the report, as a test of its own, and nothing else is."""
    assert result.status == 0, result.output
    seen = scripted.wait_closed(tests)
    usage = result.usage
    assert {session["request_id"] for session in usage["sessions"]} == {each.request_id for each in seen}
    assert len(usage["tests"]) == len(usage["sessions"]) == len(seen) == tests
    assert {test["outcome"] for test in usage["tests"]} == {"passed"}
    assert sum(session["seconds"] for session in usage["sessions"]) == pytest.approx(scripted.total_seconds, abs=tests)
    assert all(test["used_seconds"] > 0 for test in usage["tests"])
    assert (usage["run"]["sessions"], usage["run"]["complete"], usage["run"]["verdict"]) == (tests, True, "within")
    assert usage["run"]["used_seconds"] > 0


def test_without_pytest_asyncio(project: Project, scripted: Vendor) -> None:
    project.write("pytest.ini", NO_ASYNCIO_SETTINGS)
    project.use("modes/test_sync.py")
    check_metered(project.run("--dg-budget=5m", "-p", "no:asyncio", env=scripted.environ), scripted, 1)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["function", "session"])
def test_asyncio_in_strict_mode(project: Project, scripted: Vendor, scope: str) -> None:
    project.use("modes/test_sync.py", "modes/test_asyncio.py")
    arguments = ("-o", f"asyncio_default_test_loop_scope={scope}", "--asyncio-mode=strict")
    check_metered(project.run("--dg-budget=5m", *arguments, env=scripted.environ), scripted, 3)


@pytest.mark.parametrize("scope", [pytest.param("function", marks=pytest.mark.slow), "session"])
def test_asyncio_in_auto_mode(project: Project, scripted: Vendor, scope: str) -> None:
    project.use("modes/test_sync.py", "modes/test_auto.py")
    arguments = ("-o", f"asyncio_default_test_loop_scope={scope}", "--asyncio-mode=auto")
    check_metered(project.run("--dg-budget=5m", *arguments, env=scripted.environ), scripted, 3)


@pytest.mark.slow
def test_anyio_with_both_backends(project: Project, scripted: Vendor) -> None:
    project.use("modes/test_sync.py", "modes/test_anyio.py")
    check_metered(project.run("--dg-budget=5m", env={**scripted.environ, **EVERY_PLUGIN}), scripted, 5)


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_warnings_as_errors_without_any_asyncio_settings(project: Project, scripted: Vendor, workers: str) -> None:
    project.write("pytest.ini", NO_ASYNCIO_SETTINGS)
    project.use("modes/test_sync.py", "modes/test_asyncio.py")
    result = project.run("--dg-budget=5m", "-W", "error", workers, env={**scripted.environ, **EVERY_PLUGIN})
    check_metered(result, scripted, 3)
    assert "asyncio_default_fixture_loop_scope" not in result.output.replace("asyncio_default_fixture_loop_scope=", "")


@pytest.mark.slow
@asyncio_closes_its_loops
def test_warnings_as_errors_by_the_configuration(project: Project, scripted: Vendor) -> None:
    project.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")
    project.use("modes/test_sync.py", "modes/test_asyncio.py", "modes/test_anyio.py")
    env = {**scripted.environ, **EVERY_PLUGIN, "PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1"}
    check_metered(project.run("--dg-budget=5m", env=env), scripted, 7)


def test_the_filter_for_asyncios_warning_does_not_leak_into_tests(project: Project) -> None:
    project.write("pytest.ini", NO_ASYNCIO_SETTINGS)
    project.use("modes/test_warning.py")
    result = project.run("-W", "error")
    assert result.status == 0, result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n2",),
        pytest.param(("-n2", "--dist=loadfile"), marks=pytest.mark.slow),
        pytest.param(("-p", "no:xdist"), marks=pytest.mark.slow),
    ],
    ids=["n2", "loadfile", "no xdist"],
)
def test_xdist(project: Project, scripted: Vendor, arguments: tuple[str, ...]) -> None:
    project.use("modes/test_sync.py", "modes/test_asyncio.py")
    check_metered(project.run("--dg-budget=5m", *arguments, env=scripted.environ), scripted, 3)


@pytest.mark.slow
def test_under_dist_each_every_workers_tests_are_tests_of_their_own(project: Project, scripted: Vendor) -> None:
    project.use("modes/test_each.py", "modes/test_asyncio.py")
    result = project.run("--dg-budget=5m", "--dist=each", "--tx", "2*popen", env=scripted.environ)
    check_metered(result, scripted, 6)
    assert {test["attempt"] for test in result.usage["tests"]} == {1}
    assert set(Counter(test["nodeid"] for test in result.usage["tests"]).values()) == {2}
    assert {test["budget_seconds"] for test in result.usage["tests"]} == {2, 60}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_reruns_are_attempts_of_one_test(project: Project, scripted: Vendor, workers: str) -> None:
    project.use("modes/test_flaky.py")
    result = project.run("--dg-budget=5m", "--reruns=2", workers, env=scripted.environ)
    assert result.status == 0, result.output
    assert [(test["attempt"], test["outcome"]) for test in result.usage["tests"]] == [(1, "rerun"), (2, "passed")]
    first, second = result.usage["tests"]
    assert second["budget_seconds"] == pytest.approx(60 - first["used_seconds"], abs=0.001)
    assert {session["request_id"] for session in result.usage["sessions"]} == {
        each.request_id for each in scripted.wait_closed(2)
    }


def test_autoload_off(project: Project, scripted: Vendor) -> None:
    project.write("pytest.ini", NO_ASYNCIO_SETTINGS)
    project.use("modes/test_sync.py")
    env = {**scripted.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    check_metered(project.run("-p", "dgbudget", "--dg-budget=5m", "-W", "error", env=env), scripted, 1)


@pytest.mark.slow
def test_given_by_p_although_it_is_loaded_anyway(project: Project, scripted: Vendor) -> None:
    project.use("modes/test_sync.py")
    check_metered(project.run("-p", "dgbudget", "--dg-budget=5m", env=scripted.environ), scripted, 1)


@pytest.mark.slow
def test_half_a_character_in_a_test_id_is_escaped_in_the_report(project: Project) -> None:
    unescaped = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true"
    project.write(
        "test_it.py",
        "import pytest\n\n@pytest.mark.parametrize('x', ['\\udcff', '\\udcfe'], ids=str)\n"
        "def test_it(voice_agent, x):\n    with voice_agent.connect(): pass\n",
    )
    result = project.run("-o", unescaped)
    assert result.status == 0, result.output
    assert [test["nodeid"] for test in result.usage["tests"]] == [
        f"test_it.py::test_it[\\udcf{last}]" for last in ("f", "e")
    ]


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="pytest.toml and strict came with pytest 9")
@pytest.mark.slow
def test_strict_in_pytest_toml(project: Project, scripted: Vendor) -> None:
    (project.path / "pytest.ini").unlink()
    project.write(
        "pytest.toml", '[pytest]\nstrict = true\nfilterwarnings = ["error"]\ndg_target = "live"\ndg_budget = "5m"\n'
    )
    project.use("modes/test_sync.py", "modes/test_asyncio.py")
    project.write("test_marked.py", "import pytest\n\n@pytest.mark.dg_budget('30s')\ndef test_marked(): pass\n")
    check_metered(project.run(env=scripted.environ), scripted, 3)


@pytest.mark.parametrize("plugins", [["terminal"], slow(["warnings", "logging"])], ids=" ".join)
def test_without_plugins_of_pytests_own(project: Project, scripted: Vendor, plugins: list[str]) -> None:
    project.use("modes/test_sync.py")
    # The cache provider is off in all of these tests.
    without = [part for plugin in plugins for part in ("-p", f"no:{plugin}")]
    result = project.run("--dg-budget=5m", *without, env=scripted.environ)
    check_metered(result, scripted, 1)
    assert ("BILLED" in result.output) is ("terminal" not in plugins)


@asyncio_closes_its_loops
@pytest.mark.slow
def test_pytest_main_twice_in_one_process(project: Project, scripted: Vendor) -> None:
    project.use("modes/test_sync.py", "modes/test_asyncio.py", "modes/twice.py")
    run_script(project.path, "twice.py", scripted)
    seen = json.loads((project.path / "twice.json").read_text(encoding="utf-8"))
    assert seen["statuses"] == [0, 0]
    for left in seen["left"]:
        assert left == {"threads": [], "sockets": [], "environ": []}
    runs = [json.loads((project.path / f"report-{number}/usage.json").read_text(encoding="utf-8")) for number in (1, 2)]
    assert runs[0]["run"]["id"] != runs[1]["run"]["id"]
    ids = [session["request_id"] for run in runs for session in run["sessions"]]
    assert Counter(ids) == Counter(each.request_id for each in scripted.wait_closed(6))


def run_script(path: Path, name: str, scripted: Vendor) -> None:
    done = subprocess.run(
        [sys.executable, name],
        cwd=path,
        env=clean_environment(scripted.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pytester_in_process(pytester: pytest.Pytester, scripted: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in scripted.environ.items():
        monkeypatch.setenv(name, value)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    Project(pytester.path).use("modes/test_sync.py", "modes/test_asyncio.py")
    for _ in range(2):
        result = pytester.runpytest_inprocess("--dg-budget=5m", "-p", "no:cacheprovider")
        result.assert_outcomes(passed=4)
        check_metered(Result(int(result.ret), str(result.stdout), pytester.path), _only_last(scripted, 3), 3)


def _only_last(scripted: Vendor, last: int) -> Vendor:
    scripted.wait_closed(last)
    del scripted.connections[:-last]
    return scripted


def test_the_installed_plugin_is_the_one_of_this_tree(project: Project) -> None:
    import pytest_dgbudget

    project.write(
        "test_it.py", "def test_it():\n    import pytest_dgbudget\n    print('at', pytest_dgbudget.__file__)\n"
    )
    assert f"at {pytest_dgbudget.__file__}" in project.run("-s").output
