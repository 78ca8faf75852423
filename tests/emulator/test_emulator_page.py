"""docs/emulator.md and the code say the same of options, faults, scenarios and the journal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import pytest_dgbudget.emulator
from pytest_dgbudget.emulator import command
from pytest_dgbudget.emulator.faults.kinds import KINDS, REQUIRED
from pytest_dgbudget.emulator.scenarios import reader
from pytest_dgbudget.emulator.scenarios.library import Library, read_agents

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
SOURCES = sorted(Path(pytest_dgbudget.emulator.__file__).parent.rglob("*.py"))
MOMENT = "`at`, `after`"


def rows(head: str) -> list[list[str]]:
    """The cells of the table whose head begins like this."""
    lines = PAGE[PAGE.index(f"\n| {head} |") + 1 :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_fault_is_listed_with_its_parameters() -> None:
    listed = {
        names(kind)[0]: set(names(re.sub(r"\([^)]*\)", "", parameters.replace("*moment*", MOMENT))))
        for kind, parameters, *_ in rows("fault")
    }
    assert listed == {kind: set(parameters) for kind, parameters in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_default_that_is_listed_is_the_faults(kind: str) -> None:
    (parameters,) = (cell for name, cell, *_ in rows("fault") if names(name) == [kind])
    for name, value in re.findall(r"`(\w+)` \(`?([^)`]+)`?\)", parameters):
        read, default = KINDS[kind][name]
        assert default is not REQUIRED
        if isinstance(default, str):
            assert value == default
        elif value.endswith("MiB"):
            assert int(value.split()[0]) * 2**20 == default
        else:
            plain = value.replace(",", "")
            assert read(int(plain) if plain.isdigit() else plain) == default


def test_every_key_of_a_scenario_is_listed() -> None:
    steps = [names(key)[0] for key, _ in rows("key of a step")]
    turns = [names(key)[0] for key, _ in rows("key of a turn")]
    assert tuple(steps) == reader.STEP_KEYS
    assert {*turns, *steps} == set(reader.TURN_KEYS)
    assert all(
        f"\n{key} = " in PAGE or f"scenario.{key}" in PAGE or f"`{key} =" in PAGE for key in reader.SCENARIO_KEYS
    )


def test_every_record_of_the_emulators_own_is_listed() -> None:
    written = {
        found for source in SOURCES for found in re.findall(r'"(\([a-zA-Z ]+\))"', source.read_text(encoding="utf-8"))
    }
    listed = [names(kind)[0] for kind, _ in rows("type")]
    assert sorted(listed) == sorted(written)


def test_every_option_that_is_listed_exists() -> None:
    known = {option for action in command._parser()._actions for option in action.option_strings}
    listed = [names(option)[0].split()[0] for option, _ in rows("option")]
    assert set(listed) <= known
    assert {"--port", "--api-port", "--api-key", "--project", "--pace", "--vendor"} <= set(listed)


def test_the_examples_of_scenarios_can_be_read(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for n, example in enumerate(examples):
        file = tmp_path / f"{n}.toml"
        file.write_text(example, encoding="utf-8")
        Library().find(str(file))
    assert len(examples) == 4


def test_the_example_of_agents_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(\{\n.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "agents.json"
    file.write_text(example, encoding="utf-8")
    given = read_agents(file)
    assert dict(given.variables) == json.loads(example)["variables"]
    assert len(given.agents) == 1
