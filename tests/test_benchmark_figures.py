"""Of the benchmarks' figures, those that are stable: instructions, and an order with a wide margin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import lateness, per_test
from benchmarks.instructions import instructions, missing
from benchmarks.pytests import project
from benchmarks.samples import reduce
from tests.support.environments import OURS, environment_with

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BASE = ("pytest", "pytest-asyncio")
Pythons = Mapping[str, Path]


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> Pythons:
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("environments")
    return {
        "without": environment_with(folder / "without", *BASE),
        "with": environment_with(folder / "with", *BASE, OURS),
    }


def test_a_start_of_pytest_costs_little_more_with_the_plugin_installed(pythons: Pythons) -> None:
    with project("def test_it():\n    pass\n") as folder:
        starts = {name: instructions(python, ["--co", "-q"], folder) for name, python in pythons.items()}
    print(ratio := starts["with"] / starts["without"])
    assert 1 < ratio <= 1.05


def test_a_test_that_does_not_use_the_fixture_costs_next_to_nothing_more(pythons: Pythons) -> None:
    each = {name: per_test.instructions_per_test(python, 100) for name, python in pythons.items()}
    print(ratio := each["with"] / each["without"])
    assert ratio <= 1.03


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_the_cut_comes_on_time_where_a_timeout_in_the_process_waits_for_the_test(method: str) -> None:
    trials = lateness.Trials("big sum")
    with trials.open():
        ours = reduce(trials.milliseconds(lateness.OURS), "median")
        # On a busy machine its time may be up before the test has begun to misbehave.
        theirs = max(late for _ in range(3) for late in trials.milliseconds(f"pytest-timeout, {method}"))
    print(ours, theirs)
    assert ours * 5 < theirs
