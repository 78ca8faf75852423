"""Scenarios in TOML: the keys of a file, and the messages about invalid ones (docs/emulator.md). Pure."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any, NoReturn, TypeVar

from pytest_dgbudget.emulator.audio.sound import LONGEST_MS, Sound, Tone
from pytest_dgbudget.emulator.codes import Notice
from pytest_dgbudget.emulator.faults.kinds import BadFault, Fault, read_fault
from pytest_dgbudget.emulator.readers import nearest, read_text, read_time, whole
from pytest_dgbudget.emulator.scenarios.scenario import ReusableAgents, Scenario, ScriptedCall, ScriptedTurn, Step
from pytest_dgbudget.emulator.scenarios.source import BadSource, Place, line_of, read_source
from pytest_dgbudget.emulator.vendor import OF_THE_EMULATOR, BadVendor, read_vendor

T = TypeVar("T")
ReadSound = Callable[[str], Sound]
ReadAgents = Callable[[str], ReusableAgents]

LONGEST_REASON = 123  # bytes of UTF-8 (RFC 6455)
_STEP_KEYS = ("wait", "warn", "send", "call", "reply", "audio", "tone", "error", "close")
_TURN_KEYS = ("text", "pattern", "times", *_STEP_KEYS, "then")
_SCENARIO_KEYS = ("name", "vendor", "agents", "hears", "turn", "fault")
_ALWAYS_NAMED = ("text", "result")


class BadScenario(ValueError):
    """An invalid scenario file; the message has the file, the line, the key and the reason."""


def parse(source: str, *, file: str, read_sound: ReadSound, read_agents: ReadAgents) -> tuple[Scenario, ...]:
    """Return the scenarios of a file's text; raises BadScenario.

    ``read_sound`` gets the value of ``audio``, ``read_agents`` that of ``agents``; both raise ValueError.
    """
    return _Reader(source, file, read_sound, read_agents).scenarios()


class _Reader:
    def __init__(self, source: str, file: str, read_sound: ReadSound, read_agents: ReadAgents) -> None:
        self._source = source
        self._file = file
        self._read_sound = read_sound
        self._read_agents = read_agents

    def scenarios(self) -> tuple[Scenario, ...]:
        try:
            data = read_source(self._source)
        except BadSource as error:
            raise BadScenario(f"{self._file}, {error}") from None
        self._known(data, ("scenario",), ())
        found = tuple(self._scenario(*each) for each in self._tables(data, "scenario", ()))
        if not found:
            self._fail((), "scenario", "the file has none; a scenario begins with [[scenario]]")
        names = [each.name for each in found]
        for n, name in enumerate(names):
            if name in names[:n]:
                self._fail(("scenario", n), "name", f"{name!r} names two scenarios")
        return found

    def _scenario(self, table: Mapping[str, Any], at: Place) -> Scenario:
        self._known(table, _SCENARIO_KEYS, at)
        name = self._optional(read_text, table, "name", at)
        if not name:
            self._fail(at, "name", "a scenario needs a name")
        vendor = self._vendor(table, at)
        agents = self._agents(table, at)
        hears = self._texts(table, "hears", at)
        turns = tuple(self._turn(*each) for each in self._tables(table, "turn", at))
        faults = tuple(self._fault(*each) for each in self._tables(table, "fault", at))
        if not (vendor or agents.agents or hears or turns or faults):
            what = "[[scenario.turn]], [[scenario.fault]], vendor, hears nor agents"
            self._fail(at, "turn", f"the scenario has neither {what}")
        return Scenario(name=name, vendor=vendor, agents=agents, hears=hears, turns=turns, faults=faults)

    def _vendor(self, table: Mapping[str, Any], at: Place) -> Mapping[str, Any] | str:
        given: Mapping[str, Any] | str = table.get("vendor", {})
        try:
            read_vendor(given)
        except BadVendor as error:
            self._fail((*at, "vendor") if error.key else at, error.key or "vendor", error.why)
        for name in OF_THE_EMULATOR:
            if name in given:
                why = f"it is a switch of the whole emulator: dgbudget emulator --vendor {name}=…"
                self._fail((*at, "vendor"), name, why)
        return given

    def _agents(self, table: Mapping[str, Any], at: Place) -> ReusableAgents:
        name = self._optional(read_text, table, "agents", at)
        return ReusableAgents() if name is None else self._value(self._read_agents, table, "agents", at)

    def _turn(self, table: Mapping[str, Any], at: Place) -> ScriptedTurn:
        self._known(table, _TURN_KEYS, at)
        text, pattern = self._optional(read_text, table, "text", at), self._pattern(table, at)
        if text is not None and pattern is not None:
            self._fail(at, "pattern", "a turn has a text or a pattern, not both")
        names = (*_ALWAYS_NAMED, *(pattern.groupindex if pattern else ()))
        further = self._tables(table, "then", at)
        for step, place in further:
            self._known(step, _STEP_KEYS, place)
        steps = tuple(self._step(step, place, names) for step, place in ((table, at), *further))
        times = self._optional(whole(1, 1_000_000), table, "times", at)
        return ScriptedTurn(text=text, pattern=pattern, times=times, steps=steps)

    def _step(self, table: Mapping[str, Any], at: Place, names: tuple[str, ...]) -> Step:
        reply = self._optional(read_text, table, "reply", at)
        self._template(reply, names, at, "reply")
        return Step(
            wait_ms=self._optional(read_time, table, "wait", at) or 0,
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
            self._fail(at, "send", 'it is a message: { type = "…", … }')
        self._template(message, names, at, "send")
        return message

    def _calls(self, table: Mapping[str, Any], at: Place, names: tuple[str, ...]) -> tuple[ScriptedCall, ...]:
        value = table.get("call", [])
        calls = [value] if isinstance(value, dict) else value
        if not isinstance(calls, list) or not all(isinstance(each, dict) for each in calls):
            self._fail(at, "call", 'it is { name = "…", arguments = { … } }, or a list of these')
        for call in calls:
            self._known(call, ("name", "arguments"), (*at, "call"))
            if not isinstance(call.get("name"), str) or not isinstance(call.get("arguments", {}), dict):
                self._fail(at, "call", "a call needs a name, a text; its arguments are a table")
            self._template(call.get("arguments"), names, at, "call")
        return tuple(ScriptedCall(name=call["name"], arguments=call.get("arguments", {})) for call in calls)

    def _sound(self, table: Mapping[str, Any], at: Place) -> Sound | None:
        if self._optional(read_text, table, "audio", at) is None:
            return self._tone(table, at)
        if "tone" in table:
            self._fail(at, "tone", "a step has an audio file or a tone, not both")
        return self._value(self._read_sound, table, "audio", at)

    def _tone(self, table: Mapping[str, Any], at: Place) -> Sound | None:
        value = table.get("tone")
        if value is None:
            return None
        if not isinstance(value, dict) or value.keys() != {"hz", "ms"}:
            self._fail(at, "tone", "it is { hz = 440, ms = 500 }")
        hz = self._value(whole(1, 20_000), value, "hz", (*at, "tone"))
        ms = self._value(whole(1, LONGEST_MS), value, "ms", (*at, "tone"))
        return Tone(hz, ms)

    def _notice(self, table: Mapping[str, Any], key: str, at: Place) -> Notice | None:
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, dict) or not isinstance(value.get("code"), str):
            self._fail(at, key, 'it is { code = "…", description = "…" }')
        self._known(value, ("code", "description"), (*at, key))
        description = self._optional(read_text, value, "description", (*at, key))
        return Notice(code=value["code"], description=description or "The scenario says so.")

    def _error(self, table: Mapping[str, Any], at: Place) -> Notice | None:
        error = self._notice(table, "error", at)
        size = 0 if error is None else len(error.code.encode())
        if size > LONGEST_REASON:
            self._fail(
                (*at, "error"), "code", f"it has {size} bytes; a Close, which carries it, takes {LONGEST_REASON}"
            )
        return error

    def _close(self, table: Mapping[str, Any], at: Place) -> int | None:
        code = self._optional(whole(1000, 4999), table, "close", at)
        if code is not None and (code in (1004, 1005, 1006, 1015) or 1015 < code < 3000):
            self._fail(at, "close", f"{code} is no code that a Close may carry: 1000 to 1014 or 3000 to 4999")
        return code

    def _fault(self, table: Mapping[str, Any], at: Place) -> Fault:
        try:
            return read_fault(table.get("kind"), {name: value for name, value in table.items() if name != "kind"})
        except BadFault as error:
            self._fail(at, error.key, error.why)

    def _pattern(self, table: Mapping[str, Any], at: Place) -> re.Pattern[str] | None:
        text = self._optional(read_text, table, "pattern", at)
        try:
            return None if text is None else re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            self._fail(at, "pattern", f"not a regular expression: {error}")

    def _template(self, value: Any, names: tuple[str, ...], at: Place, key: str) -> None:
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            self._template(each, names, at, key)
        if isinstance(value, (date, time)) or (isinstance(value, float) and not math.isfinite(value)):
            self._fail(at, key, f"JSON has no {value}; write it as a text")
        if not isinstance(value, str):
            return
        try:
            pieces = list(string.Formatter().parse(value))
        except ValueError as error:
            self._fail(at, key, f"{error}; write {{{{ and }}}} for braces")
        for _, field, form, conversion in pieces:
            written = (field or "") + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            if field is not None and written not in names:
                known = ", ".join(f"{{{name}}}" for name in names)
                self._fail(at, key, f"{{{written}}} stands for nothing here; there are {known}; write {{{{ for a brace")

    def _optional(self, read: Callable[[Any], T], table: Mapping[str, Any], key: str, at: Place) -> T | None:
        return self._value(read, table, key, at) if key in table else None

    def _value(self, read: Callable[[Any], T], table: Mapping[str, Any], key: str, at: Place) -> T:
        try:
            return read(table[key])
        except ValueError as error:
            self._fail(at, key, str(error))

    def _texts(self, table: Mapping[str, Any], key: str, at: Place) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self._fail(at, key, 'it is a list of texts: ["…", "…"]')
        return tuple(value)

    def _tables(self, table: Mapping[str, Any], key: str, at: Place) -> list[tuple[Mapping[str, Any], Place]]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            path = ".".join(str(part) for part in (*at, key) if isinstance(part, str))
            self._fail(at, key, f"it is a list of tables: begin each with [[{path}]]")
        return [(each, (*at, key, n)) for n, each in enumerate(value)]

    def _known(self, table: Mapping[str, Any], keys: tuple[str, ...], at: Place) -> None:
        for key in table:
            if key not in keys:
                self._fail(at, key, f"no such key{nearest(key, keys)}")

    def _fail(self, at: Place, key: str, why: str) -> NoReturn:
        line = line_of(self._source, (*at, key)) or line_of(self._source, at) or 1
        path = ".".join(str(part) for part in (*at, key) if isinstance(part, str))
        raise BadScenario(f"{self._file}, line {line}, {path}: {why}")
