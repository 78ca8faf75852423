"""A scenario that a test gives as a dict: read by the reader of files, and typed as that reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from pytest_dgbudget.client import scenario as typed
from pytest_dgbudget.emulator.faults import kinds
from pytest_dgbudget.emulator.faults.kinds import KINDS, REQUIRED, read_fault
from pytest_dgbudget.emulator.scenarios import reader
from pytest_dgbudget.emulator.scenarios.given import read_given
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.tables import BadScenario
from pytest_dgbudget.emulator.vendor import OF_THE_EMULATOR, SETS, Vendor

KEYS = {
    typed.Scenario: reader.SCENARIO_KEYS,
    typed.ScenarioTurn: reader.TURN_KEYS,
    typed.ScenarioStep: reader.STEP_KEYS,
    typed.ScenarioCall: reader.CALL_KEYS,
    typed.ScenarioNotice: reader.NOTICE_KEYS,
    typed.ScenarioTone: reader.TONE_KEYS,
    typed.ScenarioFault: {"kind", *(name for parameters in KINDS.values() for name in parameters)},
    typed.VendorSwitches: {*get_type_hints(Vendor)} - {*OF_THE_EMULATOR},
}
REQUIRED_KEYS = {
    typed.ScenarioCall: {"name"},
    typed.ScenarioNotice: {"code"},
    typed.ScenarioTone: {"hz", "ms"},
    typed.ScenarioFault: {"kind"},
}
# What is wrong, and what is said of it: the place in the dict, and what to write there.
WRONG: list[tuple[Mapping[str, Any], str]] = [
    ({"turns": []}, "turns: no such key; did you mean turn?"),
    ({"name": 3}, "name: 3 is not a text"),
    ({"hears": ["a", 3]}, "hears: it is a list of texts"),
    ({"turn": ["a"]}, "turn: it is a list of tables: [{…}, {…}]"),
    ({"turn": [{"reply": "a"}, {"then": [{}, {"reply": 3}]}]}, "turn[1].then[1].reply: 3 is not a text"),
    ({"turn": [{"call": [{"name": "f"}, {"nam": "g"}]}]}, "turn[0].call[1].nam: no such key; did you mean name?"),
    ({"turn": [{"call": 3}]}, 'turn[0].call: it is {"name": "…", "arguments": {…}}, or a list of these'),
    ({"turn": [{"call": {"name": "f", "arguments": {"a": ["{b}"]}}}]}, "turn[0].call.arguments.a[0]: {b} stands for"),
    ({"turn": [{"send": {"text": "x"}}]}, 'turn[0].send: it is a message: {"type": "…"}'),
    ({"turn": [{"tone": {"hz": 440}}]}, 'turn[0].tone: it is {"hz": 440, "ms": 500}'),
    ({"turn": [{"error": {}}]}, 'turn[0].error: it is {"code": "…", "description": "…"}'),
    ({"turn": [{"audio": "none.wav"}]}, "turn[0].audio: /nowhere/none.wav can't be read as a WAV file"),
    ({"agents": "none.json"}, "agents: can't read reusable agents from /nowhere/none.json"),
    ({"vendor": {"late_frames": -1}}, "vendor.late_frames: -1 is not a whole number"),
    ({"vendor": "1999"}, "vendor: there is no set '1999'"),
    ({"fault": [{"kind": "drop"}, {"kind": "limit"}]}, "fault[1].sessions: limit needs it"),
    ({}, "turn: the scenario has neither turn, fault, vendor, hears nor agents"),
]


@pytest.mark.parametrize("kind", KEYS, ids=lambda kind: kind.__name__)
def test_a_typed_dict_has_the_keys_that_the_reader_knows(kind: Any) -> None:
    assert {*get_type_hints(kind)} == {*KEYS[kind]}
    assert kind.__required_keys__ == REQUIRED_KEYS.get(kind, set())


def test_switches_have_the_types_that_the_emulator_has_them_in() -> None:
    own = get_type_hints(Vendor)
    assert get_type_hints(typed.VendorSwitches) == {name: own[name] for name in own if name not in OF_THE_EMULATOR}
    assert {name for each in get_args(get_type_hints(typed.Scenario)["vendor"]) for name in get_args(each)} == {*SETS}


def test_words_are_those_that_the_reader_takes() -> None:
    assert {*get_args(typed.FaultKind)} == {*KINDS}
    assert {*get_args(typed.FaultyMessage)} == {*kinds.MESSAGES}
    hints = get_type_hints(typed.FaultParameters)
    for kind, name in (("drop", "how"), ("malformed", "form")):
        with pytest.raises(ValueError, match="is none of") as refused:
            KINDS[kind][name][0]("?")
        assert re.split(", ", str(refused.value).partition("is none of ")[2]) == [*get_args(hints[name])]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_read_with_values_of_the_types_that_it_has_in_a_test(kind: str) -> None:
    hints = get_type_hints(typed.FaultParameters)
    values: dict[Any, Any] = {int: 500, str: "CODE", float: 1.5, typed.Time: "1.5s"}
    given = {name: values.get(hints[name]) or get_args(hints[name])[0] for name in KINDS[kind]}
    assert read_fault(kind, given).values.keys() == given.keys()
    required = {name for name, (_, default) in KINDS[kind].items() if default is REQUIRED}
    assert read_fault(kind, {name: given[name] for name in required}).kind == kind


@pytest.mark.parametrize(("table", "why"), WRONG, ids=lambda each: str(each)[:40])
def test_what_is_wrong_is_said_with_its_place(table: Mapping[str, Any], why: str) -> None:
    with pytest.raises(BadScenario) as refused:
        read_given(table, Path("/nowhere"))
    assert str(refused.value).startswith(why)


def test_a_dict_is_the_scenario_of_a_file_with_the_same_tables(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(
        '[[scenario]]\nname = "one"\nhears = ["hi"]\nvendor = "2025"\n[[scenario.turn]]\ntext = "hi"\ntimes = 2\n'
        'call = { name = "f", arguments = { a = ["{text}"] } }\nreply = "{result}"\n'
        "then = [{ wait = 0.2, close = 1000 }]\n"
        '[[scenario.fault]]\nkind = "drop"\nafter = "1s"\n'
    )
    given: typed.Scenario = {
        "name": "one",
        "hears": ["hi"],
        "vendor": "2025",
        "turn": [
            {
                "text": "hi",
                "times": 2,
                "call": {"name": "f", "arguments": {"a": ["{text}"]}},
                "reply": "{result}",
                "then": [{"wait": 0.2, "close": 1000}],
            }
        ],
        "fault": [{"kind": "drop", "after": "1s"}],
    }
    assert read_given(given, tmp_path) == Library().find(str(tmp_path / "one.toml"))
