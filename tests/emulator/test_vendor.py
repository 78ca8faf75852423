"""Switches: how they are read, from tables, names and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.tables import BadScenario
from pytest_dgbudget.emulator.vendor import AS_SEEN, LATEST, SETS, SWITCHES, BadVendor, read_assignment, read_vendor

BAD = [
    ({"end_of_turns": True}, "end_of_turns", "no such switch; did you mean end_of_turn?"),
    ({"end_of_turn": 1}, "end_of_turn", "1 is neither true nor false"),
    ({"late_frames": -1}, "late_frames", "-1 is not a whole number from 0 to 100"),
    ({"late_frames": 101}, "late_frames", "101 is not a whole number from 0 to 100"),
    ({"late_frames": True}, "late_frames", "True is not a whole number from 0 to 100"),
    ({"latency_reports": "some"}, "latency_reports", "'some' is none of partial, whole, none"),
    ({"tier_change": ["first"]}, "tier_change", "['first'] is none of from-then-on, first, highest"),
]


def test_the_latest_set_is_the_default() -> None:
    assert SETS[LATEST] == AS_SEEN == read_vendor({})


def test_a_table_changes_what_it_names() -> None:
    base = replace(AS_SEEN, late_frames=3)
    assert read_vendor({"end_of_turn": False}, base) == replace(base, end_of_turn=False)


@pytest.mark.parametrize("name", SETS)
def test_a_name_is_a_whole_set_whatever_was_before(name: str) -> None:
    assert read_vendor(name, replace(AS_SEEN, late_frames=3)) == SETS[name]
    assert read_assignment(name, replace(AS_SEEN, late_frames=3)) == SETS[name]


@pytest.mark.parametrize(("table", "key", "why"), BAD)
def test_a_bad_switch_is_refused_with_its_name(table: dict[str, Any], key: str, why: str) -> None:
    with pytest.raises(BadVendor) as refused:
        read_vendor(table)
    assert (refused.value.key, refused.value.why) == (key, why)


@pytest.mark.parametrize("value", ["2024", 2025, [], None])
def test_what_is_neither_a_table_nor_a_set_is_refused(value: Any) -> None:
    with pytest.raises(BadVendor, match=r"2026, 2025$"):
        read_vendor(value)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("end_of_turn=false", {"end_of_turn": False}),
        ("late_sentence=true", {"late_sentence": True}),
        ("late_frames=3", {"late_frames": 3}),
        ("tier_change=highest", {"tier_change": "highest"}),
    ],
)
def test_an_assignment_changes_one(text: str, changes: dict[str, Any]) -> None:
    assert read_assignment(text, AS_SEEN) == replace(AS_SEEN, **changes)


@pytest.mark.parametrize(
    "text",
    ["end_of_turn=", "end_of_turn=1", "end_of_turn=True", "late_frames=" + "9" * 5000, "late_frames=1.5", "=1", ""],
)
def test_a_bad_assignment_is_refused(text: str) -> None:
    with pytest.raises(BadVendor):
        read_assignment(text, AS_SEEN)


@pytest.mark.parametrize(
    ("written", "where", "why"),
    [
        ("vendor = { end_of_turns = true }", "line 3, scenario.vendor.end_of_turns", "no such switch; did you mean"),
        ("vendor = { end_of_turn = 1 }", "line 3, scenario.vendor.end_of_turn", "1 is neither true nor false"),
        ('\nvendor = { close_after_error = "1008" }', "line 4, scenario.vendor.close_after_error", "'1008' is none of"),
        ("[scenario.vendor]\nlate_sentence = true\nlate_frames = 999", "line 5, scenario.vendor.late_frames", "999 is"),
        ('vendor = "2024"', "line 3, scenario.vendor", "there is no set '2024'; there are: 2026, 2025"),
        ("vendor = 2025", "line 3, scenario.vendor", "it is a table of switches, or one of 2026, 2025"),
    ],
)
def test_a_bad_switch_of_a_scenario_is_refused_with_file_line_and_key(
    written: str, where: str, why: str, write: Callable[[str], Path]
) -> None:
    path = write(written)
    with pytest.raises(BadScenario) as refused:
        Library().find(str(path))
    assert str(refused.value).startswith(f"{path}, {where}: {why}")


def test_a_scenario_may_have_switches_alone(write: Callable[[str], Path]) -> None:
    assert Library().find(str(write('vendor = "2025"'))).vendor == "2025"


def test_every_switch_can_be_read() -> None:
    for name, read in SWITCHES.items():
        for vendor in SETS.values():
            assert read(getattr(vendor, name)) == getattr(vendor, name)
