"""Scenarios as tables: their keys, and the messages about invalid ones (docs/emulator.md). Pure."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any

from pytest_dgbudget.emulator.audio.sound import LONGEST_MS, Sound, Tone
from pytest_dgbudget.emulator.codes import Notice
from pytest_dgbudget.emulator.faults.kinds import BadFault, Fault, read_fault
from pytest_dgbudget.emulator.readers import read_text, read_time, whole
from pytest_dgbudget.emulator.scenarios.scenario import ReusableAgents, Scenario, ScriptedCall, ScriptedTurn, Step
from pytest_dgbudget.emulator.scenarios.tables import Origin, Place, TableReader
from pytest_dgbudget.emulator.vendor import OF_THE_EMULATOR, BadVendor, read_vendor

ReadSound = Callable[[str], Sound]
ReadAgents = Callable[[str], ReusableAgents]

LONGEST_REASON = 123  # bytes of UTF-8 (RFC 6455)
STEP_KEYS = ("wait", "warn", "send", "call", "reply", "audio", "tone", "error", "close")
TURN_KEYS = ("text", "pattern", "times", *STEP_KEYS, "then")
SCENARIO_KEYS = ("name", "vendor", "agents", "hears", "turn", "fault")
CALL_KEYS = ("name", "arguments")
NOTICE_KEYS = ("code", "description")
TONE_KEYS = ("hz", "ms")
_ALWAYS_NAMED = ("text", "result")


class ScenarioReader(TableReader):
    """Reads scenarios; raises BadScenario.

    ``read_sound`` gets the value of ``audio``, ``read_agents`` that of ``agents``; both raise ValueError.
    """

    def __init__(self, origin: Origin, read_sound: ReadSound, read_agents: ReadAgents) -> None:
        super().__init__(origin)
        self._read_sound = read_sound
        self._read_agents = read_agents

    def scenario(self, table: Mapping[str, Any], at: Place) -> Scenario:
        """Return the scenario of a table; its name may be missing, and is empty then."""
        self.known(table, SCENARIO_KEYS, at)
        name = self.optional(read_text, table, "name", at) or ""
        vendor = self._vendor(table, at)
        agents = self._agents(table, at)
        hears = self.texts(table, "hears", at)
        turns = tuple(self._turn(*each) for each in self.tables(table, "turn", at))
        faults = tuple(self._fault(*each) for each in self.tables(table, "fault", at))
        if not (vendor or agents.agents or hears or turns or faults):
            self.fail((*at, "turn"), "the scenario has neither turn, fault, vendor, hears nor agents")
        return Scenario(name=name, vendor=vendor, agents=agents, hears=hears, turns=turns, faults=faults)

    def _vendor(self, table: Mapping[str, Any], at: Place) -> Mapping[str, Any] | str:
        given: Mapping[str, Any] | str = table.get("vendor", {})
        try:
            read_vendor(given)
        except BadVendor as error:
            self.fail((*at, "vendor", error.key) if error.key else (*at, "vendor"), error.why)
        for name in OF_THE_EMULATOR:
            if name in given:
                why = f"it is a switch of the whole emulator: dgbudget emulator --vendor {name}=…"
                self.fail((*at, "vendor", name), why)
        return given

    def _agents(self, table: Mapping[str, Any], at: Place) -> ReusableAgents:
        name = self.optional(read_text, table, "agents", at)
        return ReusableAgents() if name is None else self.value(self._read_agents, table, "agents", at)

    def _turn(self, table: Mapping[str, Any], at: Place) -> ScriptedTurn:
        self.known(table, TURN_KEYS, at)
        text, pattern = self.optional(read_text, table, "text", at), self._pattern(table, at)
        if text is not None and pattern is not None:
            self.fail((*at, "pattern"), "a turn has a text or a pattern, not both")
        names = (*_ALWAYS_NAMED, *(pattern.groupindex if pattern else ()))
        further = self.tables(table, "then", at)
        for step, place in further:
            self.known(step, STEP_KEYS, place)
        steps = tuple(self._step(step, place, names) for step, place in ((table, at), *further))
        times = self.optional(whole(1, 1_000_000), table, "times", at)
        return ScriptedTurn(text=text, pattern=pattern, times=times, steps=steps)

    def _step(self, table: Mapping[str, Any], at: Place, names: tuple[str, ...]) -> Step:
        reply = self.optional(read_text, table, "reply", at)
        self._template(reply, names, (*at, "reply"))
        return Step(
            wait_ms=self.optional(read_time, table, "wait", at) or 0,
            warn=self._notice(table, "warn", at),
            send=self._message(table, at, names),
            calls=self._calls(table, at, names),
            reply=reply,
            sound=self._sound(table, at),
            error=self._error(table, at),
            close=self._close(table, at),
        )

    def _message(self, table: Mapping[str, Any], at: Place, names: tuple[str, ...]) -> Mapping[str, Any] | None:
        message = table.get("send")
        if message is not None and not (isinstance(message, dict) and isinstance(message.get("type"), str)):
            self.fail((*at, "send"), f"it is a message: {self._origin.table(type='…')}")
        self._template(message, names, (*at, "send"))
        return message

    def _calls(self, table: Mapping[str, Any], at: Place, names: tuple[str, ...]) -> tuple[ScriptedCall, ...]:
        value, place = table.get("call", []), (*at, "call")
        if isinstance(value, dict):
            return (self._call(value, place, names),)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.fail(place, f"it is {self._origin.table(name='…', arguments={})}, or a list of these")
        return tuple(self._call(each, (*place, n), names) for n, each in enumerate(value))

    def _call(self, call: Mapping[str, Any], at: Place, names: tuple[str, ...]) -> ScriptedCall:
        self.known(call, CALL_KEYS, at)
        if not isinstance(call.get("name"), str) or not isinstance(call.get("arguments", {}), dict):
            self.fail(at, "a call needs a name, a text; its arguments are a table")
        self._template(call.get("arguments"), names, (*at, "arguments"))
        return ScriptedCall(name=call["name"], arguments=call.get("arguments", {}))

    def _sound(self, table: Mapping[str, Any], at: Place) -> Sound | None:
        if self.optional(read_text, table, "audio", at) is None:
            return self._tone(table, at)
        if "tone" in table:
            self.fail((*at, "tone"), "a step has an audio file or a tone, not both")
        return self.value(self._read_sound, table, "audio", at)

    def _tone(self, table: Mapping[str, Any], at: Place) -> Sound | None:
        value = table.get("tone")
        if value is None:
            return None
        if not isinstance(value, dict) or value.keys() != set(TONE_KEYS):
            self.fail((*at, "tone"), f"it is {self._origin.table(hz=440, ms=500)}")
        hz = self.value(whole(1, 20_000), value, "hz", (*at, "tone"))
        ms = self.value(whole(1, LONGEST_MS), value, "ms", (*at, "tone"))
        return Tone(hz, ms)

    def _notice(self, table: Mapping[str, Any], key: str, at: Place) -> Notice | None:
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, dict) or not isinstance(value.get("code"), str):
            self.fail((*at, key), f"it is {self._origin.table(code='…', description='…')}")
        self.known(value, NOTICE_KEYS, (*at, key))
        description = self.optional(read_text, value, "description", (*at, key))
        return Notice(code=value["code"], description=description or "The scenario says so.")

    def _error(self, table: Mapping[str, Any], at: Place) -> Notice | None:
        error = self._notice(table, "error", at)
        size = 0 if error is None else len(error.code.encode())
        if size > LONGEST_REASON:
            why = f"it has {size} bytes; a Close, which carries it, takes {LONGEST_REASON}"
            self.fail((*at, "error", "code"), why)
        return error

    def _close(self, table: Mapping[str, Any], at: Place) -> int | None:
        code = self.optional(whole(1000, 4999), table, "close", at)
        if code is not None and (code in (1004, 1005, 1006, 1015) or 1015 < code < 3000):
            why = f"{code} is no code that a Close may carry: 1000 to 1014 or 3000 to 4999"
            self.fail((*at, "close"), why)
        return code

    def _fault(self, table: Mapping[str, Any], at: Place) -> Fault:
        try:
            return read_fault(table.get("kind"), {name: value for name, value in table.items() if name != "kind"})
        except BadFault as error:
            self.fail((*at, error.key), error.why)

    def _pattern(self, table: Mapping[str, Any], at: Place) -> re.Pattern[str] | None:
        text = self.optional(read_text, table, "pattern", at)
        try:
            return None if text is None else re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            self.fail((*at, "pattern"), f"not a regular expression: {error}")

    def _template(self, value: Any, names: tuple[str, ...], at: Place) -> None:
        for key, each in _members(value):
            self._template(each, names, (*at, key))
        if isinstance(value, (date, time)) or (isinstance(value, float) and not math.isfinite(value)):
            self.fail(at, f"JSON has no {value}; write it as a text")
        if not isinstance(value, str):
            return
        try:
            pieces = list(string.Formatter().parse(value))
        except ValueError as error:
            self.fail(at, f"{error}; write {{{{ and }}}} for braces")
        for _, field, form, conversion in pieces:
            written = (field or "") + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            if field is not None and written not in names:
                known = ", ".join(f"{{{name}}}" for name in names)
                self.fail(at, f"{{{written}}} stands for nothing here; there are {known}; write {{{{ for a brace")


def _members(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []
