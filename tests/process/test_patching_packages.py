"""Packages with which tests change their own world: docs/fixture.md has a table of them.

The examples run in each of those worlds. What becomes of them is what becomes of them without any package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.elsewhere import elsewhere
from tests.support.project import Project, Result

pytestmark = pytest.mark.timeout(150)

DOCS = Path(__file__).parents[2] / "docs/fixture.md"

WITHIN, OVERRUN = ("passed", 1, False, 0, "within"), ("xfailed", 1, True, 0, "overrun")
EXAMPLES = {
    "test_app": WITHIN,
    "test_audio": WITHIN,
    "test_greeting": WITHIN,
    "test_order_status": WITHIN,
    "test_overrun": OVERRUN,
    "test_sync": WITHIN,
}
RUN = {"target": "emulator", "billed": False, "sessions": len(EXAMPLES), "verdict": "overrun", "failing": False}
ENDED = {"complete": True, "at_risk_seconds": 0, "overshoot_seconds": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``project``: a folder of tests/projects/patching_packages that is added to the examples."""

    module: str  # what is imported
    project: str | None = None
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


WORLDS = {
    "pytest": World(module="pytest"),
    "freezegun": World(module="freezegun", project="freezegun", environment={"FREEZE": "default"}),
    "freezegun real_asyncio": World(module="freezegun", project="freezegun", environment={"FREEZE": "real_asyncio"}),
    "freezegun tick": World(module="freezegun", project="freezegun", environment={"FREEZE": "tick"}),
    "freezegun auto_tick": World(module="freezegun", project="freezegun", environment={"FREEZE": "auto_tick"}),
    "freezegun ignoring nothing": World(
        module="freezegun", project="freezegun", environment={"FREEZE": "ignoring nothing"}
    ),
    "time-machine": World(module="time_machine", project="time_machine", environment={"TRAVEL": "no tick"}),
    "time-machine tick": World(module="time_machine", project="time_machine", environment={"TRAVEL": "tick"}),
    "pyfakefs": World(module="pyfakefs", project="pyfakefs"),
    "pytest-socket": World(module="pytest_socket", options=("--disable-socket", "--allow-unix-socket")),
    "pytest-socket hosts": World(
        module="pytest_socket", options=("--disable-socket", "--allow-unix-socket", "--allow-hosts=127.0.0.1")
    ),
    "gevent": World(module="gevent", project="gevent"),
    "eventlet": World(module="eventlet", project="eventlet"),
    "playwright": World(module="playwright", project="playwright"),
    "unittest": World(module="unittest", project="unittest", options=("test_in_classes.py",)),
}


def need(module: str) -> None:
    """Skip where a package is not installed; imported here, eventlet would warn of our own forks."""
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


def run(examples: Project, *options: str, env: Mapping[str, str] | None = None) -> Result:
    """Run the examples, several times at once with other tests of this file: they wait more than they compute.

    Not the order desk's, which waits as long as all others together and uses nothing that they don't.
    """
    chosen = ("--dg-target=emulator", "--dg-pace=vendor", "--ignore=order_desk")
    return examples.run(*chosen, *options, env=env, timeout=120)


def what_became_of_each(result: Result) -> dict[str, tuple[object, ...]]:
    names = ("outcome", "sessions", "cut", "refused", "verdict")
    return {test["nodeid"].rpartition("::")[2]: tuple(map(test.get, names)) for test in result.usage["tests"]}


def assert_as_ever(result: Result) -> None:
    """The same outcomes, sessions and overrun as everywhere, in real time, and the statement agrees."""
    assert result.status == 0, result.output
    assert "5 passed, 1 xfailed" in result.output
    assert what_became_of_each(result) == EXAMPLES
    figures = result.usage["run"]
    assert figures.items() >= (RUN | ENDED).items(), figures
    assert 13 < figures["used_seconds"] < 60
    assert result.usage["reconciliation"]["verdict"] == "reconciled"
    assert f"{len(EXAMPLES)} of {len(EXAMPLES)} sessions agree with the emulator's statement" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_the_examples_run_as_ever(examples: Project, name: str) -> None:
    world = WORLDS[name]
    need(world.module)
    if world.project is not None:
        examples.use(f"patching_packages/{world.project}")
    result = run(examples, *world.options, env=world.environment)
    assert_as_ever(result)


@pytest.mark.slow
@pytest.mark.parametrize("tick", ["no tick", "tick"])
def test_the_examples_run_as_ever_with_time_machine_2(examples: Project, tick: str) -> None:
    environment = elsewhere("conformance", "time_machine")
    examples.use("patching_packages/time_machine")
    result = run(examples, env={**environment, "TRAVEL": tick})
    assert "time-machine-2." in result.output
    assert_as_ever(result)


@pytest.mark.slow
def test_the_examples_run_as_ever_in_another_order(examples: Project) -> None:
    need("pytest_randomly")
    result = run(examples, "-p", "randomly", "--randomly-seed=1", "-v")
    assert_as_ever(result)
    order = re.findall(r"::(test_\w+) (?:PASSED|XFAIL) ", result.output)
    assert sorted(order) == sorted(EXAMPLES) != order


@pytest.mark.slow
def test_coverage_measures_what_tests_start_and_nothing_of_ours(examples: Project) -> None:
    need("pytest_cov")
    examples.use("patching_packages/coverage")
    environment = {"COVERAGE_PROCESS_START": str(examples.path / ".coveragerc")}
    result = run(examples, "--cov", "--cov-report=term", env=environment)
    assert_as_ever(result)
    measured = re.findall(r"^(\S+\.py) .* (\d+)%$", result.output, re.MULTILINE)
    assert int(dict(measured)["app.py"]) > 50
    assert not [file for file, _ in measured if re.search("pytest_dgbudget/(gateway|emulator)/", file)]
    assert [path.name for path in examples.path.glob(".coverage*")] == [".coverage", ".coveragerc"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [["--tests-per-worker=3"], ["--workers=2"], ["--tests-per-worker=3", "-o", "dg_keep_key=true"]],
    ids=["threads", "processes", "threads with keys of their own"],
)
def test_several_tests_at_once_run_as_ever(examples: Project, options: list[str]) -> None:
    assert_as_ever(run(examples, "--dg-budget=10m", *options, env=elsewhere("conformance", "pytest_parallel")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--tests-per-worker=2", "set the ini key dg_keep_key = true"),
        ("--workers=2", "this process was forked from pytest and needs a gateway of its own"),
    ],
)
def test_what_pytest_parallel_can_not_do_in_a_run_that_is_not_ours_is_said_at_once(
    examples: Project, option: str, why: str
) -> None:
    examples.expects_log = option == "--workers=2"  # one of the two gateways is refused the run's lock
    examples.write("pytest.ini", "[pytest]\nasyncio_mode = auto\ndg_agent_settings = agent.json\n")
    result = examples.run(option, "test_greeting.py", "test_sync.py", env=elsewhere("conformance", "pytest_parallel"))
    assert result.status == 1, result.output
    assert re.search(f"^E .*{why}", result.output, re.MULTILINE), result.output
    assert "1 passed" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("package", ["freezegun", "freezegun.real_asyncio", "time_machine"])
def test_frozen_time_stops_nothing_of_ours(project: Project, package: str) -> None:
    need(package.split(".")[0])
    project.use("patching_packages/test_frozen.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off", env={"TIME_PACKAGE": package})
    assert result.status == 0, result.output
    assert "was replaced" not in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "patch"), [("gevent.monkey", "patch_all"), ("eventlet", "monkey_patch")], ids=["gevent", "eventlet"]
)
def test_green_threads_are_refused_at_once(project: Project, package: str, patch: str) -> None:
    need(package.partition(".")[0])
    project.write("conftest.py", f"import {package}\n{package}.{patch}()\n")
    project.use("patching_packages/test_session.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert "voice_agent needs threads of the system's" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "outcome"),
    [(["--disable-socket"], "set --allow-unix-socket"), (["--allow-hosts=192.0.2.1"], "2 passed")],
)
def test_pytest_socket_is_no_obstacle_or_named(project: Project, options: list[str], outcome: str) -> None:
    need("pytest_socket")
    project.use("patching_packages/test_session.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off", *options)
    assert outcome in result.output


def test_the_table_has_each_package() -> None:
    table = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    others = {"pytest-cov", "pytest-parallel", "pytest-randomly"}
    packages = {name.partition(" ")[0] for name in WORLDS} - {"pytest"} | others
    assert not [package for package in packages if not any(package in row for row in table)]
