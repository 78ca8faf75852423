"""``dgbudget cassettes check --live`` finds what a service changed, and nothing in one that only varies.

The service is an emulator behind a proxy that changes what it says (tests/support/changed_vendor.py): real sockets,
real gateways, and cassettes of conversations that were had with it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.store import write_cassettes
from pytest_dgbudget.recording.lines import LINES_FILE
from tests.cli.conftest import DGBUDGET
from tests.support.changed_vendor import (
    Change,
    ChangedVendor,
    Changes,
    CloseNow,
    Pause,
    Sent,
    Thinks,
    Varies,
    role_of,
    type_of,
)
from tests.support.conversations import SCENARIO, recorded
from tests.support.project import Project
from tests.support.rehearsal import Rehearsal, rehearsal

pytestmark = pytest.mark.slow

_AT_ONCE = 8
_THINKS = 0.5


# Changes ----------------------------------------------------------------------------------------------------------


def each(kind: str, change: Callable[[dict[str, Any]], Sequence[Sent]], role: str | None = None) -> Change:
    """Change each message of a type, and perhaps of a role."""

    def changed(said: Sent) -> Iterator[Sent]:
        if isinstance(said, dict) and type_of(said) == kind and (role is None or role_of(said) == role):
            yield from change(said)
        else:
            yield said

    return changed


def without(message: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != key}


def of_calls(message: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Sent]:
    return [{**message, "functions": [change(call) for call in message["functions"]]}]


class Swapped:
    """Each message of the first type is held back until after the next of the second, or after the next audio."""

    def __init__(self, first: str, second: str | None) -> None:
        self._first, self._second = first, second
        self._held: list[Sent] = []

    def __call__(self, said: Sent) -> Iterator[Sent]:
        is_second = isinstance(said, bytes) if self._second is None else type_of(said) == self._second
        if type_of(said) == self._first:
            self._held.append(said)
            return
        yield said
        if is_second:
            yield from self._held
            self._held = []


class HistoryBeforeText:
    """The History of what the user said comes before the text."""

    def __init__(self) -> None:
        self._text: list[Sent] = []

    def __call__(self, said: Sent) -> Iterator[Sent]:
        if type_of(said) == "ConversationText" and role_of(said) == "user":
            self._text = [said]
            return
        yield said
        yield from self._text
        self._text = []


class BeginsAsWav:
    """The first audio of each reply begins with a header."""

    def __init__(self) -> None:
        self._begins = True

    def __call__(self, said: Sent) -> Iterator[Sent]:
        if isinstance(said, bytes) and self._begins:
            self._begins = False
            yield b"RIFF\xff\xff\xff\xffWAVE" + bytes(32) + said
            return
        self._begins = self._begins or type_of(said) == "AgentAudioDone"
        yield said


class AtTheThird:
    """With the third AgentAudioDone comes something else as well."""

    def __init__(self, *also: Sent) -> None:
        self._also = also
        self._count = 0

    def __call__(self, said: Sent) -> Iterator[Sent]:
        yield said
        self._count += type_of(said) == "AgentAudioDone"
        if type_of(said) == "AgentAudioDone" and self._count == 3:
            yield from self._also


class LateGreeting:
    def __init__(self) -> None:
        self._is_late = True

    def __call__(self, said: Sent) -> Iterator[Sent]:
        if self._is_late and (isinstance(said, bytes) or type_of(said) == "ConversationText"):
            self._is_late = False
            yield Pause(0.5)
        yield said


def closing(code: int | None) -> Change:
    """The vendor closes with another code, or not at all."""

    def changed(said: Sent) -> Iterator[Sent]:
        if not isinstance(said, CloseNow):
            yield said
        elif code is not None:
            yield CloseNow(code)

    return changed


ERROR: Sent = {"type": "Error", "code": "SERVER_GOING_AWAY", "description": "Sorry."}
NEW_CALL: Sent = {
    "type": "FunctionCallRequest",
    "functions": [{"id": "call_2", "name": "cancel_order", "arguments": "{}", "client_side": True}],
}
DEPRECATED: Sent = {"type": "Warning", "code": "MODEL_DEPRECATED", "description": "Use another one."}


@dataclass(frozen=True)
class Seeded:
    """A service that has changed, and all that is to be found."""

    found: set[str]
    change: Callable[[], Change] = lambda: lambda said: [said]
    thinks: float = _THINKS
    settings: float = 0.1
    prices: str = ""
    recorded: Mapping[str, Any] = field(default_factory=dict)

    def changes(self, number: int) -> Sequence[Change]:
        return [Thinks(lambda: self.thinks, self.settings), self.change()]


DRIFTS = {
    "a field is renamed": Seeded(
        {
            "field-missing ConversationText (assistant)/content",
            "field-new ConversationText (assistant)/text",
        },
        lambda: each("ConversationText", lambda said: [{**without(said, "content"), "text": "Hi."}], "assistant"),
    ),
    "a field is removed": Seeded(
        {"field-missing History (user)/content"},
        lambda: each("History", lambda said: [without(said, "content")], "user"),
    ),
    "a field is added": Seeded(
        {"field-new SettingsApplied/warm"}, lambda: each("SettingsApplied", lambda said: [{**said, "warm": True}])
    ),
    "a field has another type": Seeded(
        {"field-type FunctionCallRequest/functions/*/arguments an object"},
        lambda: each(
            "FunctionCallRequest", lambda said: of_calls(said, lambda call: {**call, "arguments": json.loads("{}")})
        ),
    ),
    "Welcome has no request_id": Seeded(
        {"field-missing Welcome/request_id"}, lambda: each("Welcome", lambda said: [without(said, "request_id")])
    ),
    "a function call does not say whose it is": Seeded(
        {"field-missing FunctionCallRequest/functions/*/client_side"},
        lambda: each("FunctionCallRequest", lambda said: of_calls(said, lambda call: without(call, "client_side"))),
    ),
    "a message has no type": Seeded(
        {"message-missing PromptUpdated", "message-new a message without a type"},
        lambda: each("PromptUpdated", lambda said: [{"kind": "PromptUpdated"}]),
    ),
    "a role is called otherwise": Seeded(
        {
            "message-missing ConversationText (assistant)",
            "message-new ConversationText (agent)",
        },
        lambda: each("ConversationText", lambda said: [{**said, "role": "agent"}], "assistant"),
    ),
    "a message no longer comes: AgentAudioDone": Seeded(
        {"message-missing AgentAudioDone"}, lambda: each("AgentAudioDone", lambda said: [])
    ),
    "a message no longer comes: UserStartedSpeaking": Seeded(
        {"message-missing UserStartedSpeaking"}, lambda: each("UserStartedSpeaking", lambda said: [])
    ),
    "a message no longer comes: History of the agent": Seeded(
        {"message-missing History (assistant)"}, lambda: each("History", lambda said: [], "assistant")
    ),
    "a message is new": Seeded(
        {"message-new AgentState"},
        lambda: each("ConversationText", lambda said: [{"type": "AgentState", "state": "speaks"}, said], "assistant"),
    ),
    "a warning is new": Seeded({"message-new Warning (MODEL_DEPRECATED)"}, lambda: AtTheThird(DEPRECATED)),
    "a message comes twice": Seeded(
        {"message-doubled AgentAudioDone"}, lambda: each("AgentAudioDone", lambda said: [said, said])
    ),
    "messages come in another order: History before its text": Seeded(
        {"message-order History (user) before ConversationText (user)"}, HistoryBeforeText
    ),
    "messages come in another order: audio before AgentStartedSpeaking": Seeded(
        {"message-order agent audio before AgentStartedSpeaking"}, lambda: Swapped("AgentStartedSpeaking", None)
    ),
    "an unknown function is called": Seeded({"function-call cancel_order"}, lambda: AtTheThird(NEW_CALL)),
    "a session ends with an Error": Seeded(
        {"close 1000 to 4001", "close new 4001", "message-new Error (SERVER_GOING_AWAY)"},
        lambda: AtTheThird(ERROR, CloseNow(4001)),
    ),
    "the close has another code": Seeded({"close 1000 to 4002"}, lambda: closing(4002)),
    "the vendor closes where it had not": Seeded(
        {"close 1000 to 4003", "close new 4003"}, lambda: AtTheThird(CloseNow(4003))
    ),
    "the vendor no longer closes": Seeded({"close missing"}, lambda: closing(None)),
    "an answer takes 0.6 s more": Seeded({"latency an answer"}, thinks=_THINKS + 0.6),
    "SettingsApplied is late": Seeded({"latency SettingsApplied"}, settings=0.9),
    "the greeting is late": Seeded({"latency the greeting"}, LateGreeting),
    "audio has a container": Seeded({"audio-form WAV"}, BeginsAsWav),
    "a minute costs more": Seeded({"price standard 0.085"}, prices="[prices]\nstandard = 0.085\n"),
    "the agent is in another tier": Seeded({"tier custom-byo-llm to standard"}, recorded={"tier": "custom-byo-llm"}),
}


# The check --------------------------------------------------------------------------------------------------------


class Checks:
    """Checks of the same cassettes against services that differ, each in a project of its own."""

    def __init__(self, emulator: Rehearsal, cassettes: Sequence[Cassette], folder: Path) -> None:
        self._emulator = emulator
        self.cassettes = cassettes
        self._folder = folder

    def run(
        self, name: str, changes: Changes, *options: str, prices: str = "", patience: str = "2s", **facts: Any
    ) -> Any:
        """Return the document of a check of these cassettes, recorded with such facts."""
        project = self.project(name, **facts)
        project.write("dgbudget.toml", prices)
        status, document = self.check(project, changes, f"--patience={patience}", *options)
        assert status == (0 if document["verdict"] == "none" else 1), document
        return document

    def project(self, name: str, **facts: Any) -> Project:
        """Return a project that has the cassettes, in folders test_0, test_1 and so on."""
        folder = self._folder / name
        folder.mkdir()
        project = Project(folder)
        project.write("pytest.ini", "[pytest]\n")
        for number, cassette in enumerate(self.cassettes):
            other = replace(cassette, facts=replace(cassette.facts, **facts))
            write_cassettes(folder / "cassettes" / f"test_{number}", [other])
        return project

    def check(self, project: Project, changes: Changes, *options: str, **env: str) -> tuple[int, Any]:
        """Return the exit status of a check, and its document."""
        with ChangedVendor(self._emulator.where["agent_url"], changes) as vendor:
            environ = {**self._emulator.environ, "DG_AGENT_URL": vendor.url, "DG_BUDGET": "", "DG_TARGET": ""}
            command = [*DGBUDGET, "cassettes", "check", "--live", "--budget=5m", "--json", "--reconcile=off"]
            process = project.launch([*command, *options], env={**environ, **env})
            output, _ = process.communicate(timeout=240)
        project.end()
        return process.returncode, json.loads(output[output.index("\n{") :])


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    scenario = tmp_path_factory.mktemp("scenario") / "orders.toml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    with rehearsal("--scenario", str(scenario), "--vendor", "agent_started_speaking=true") as running:
        yield running


def steadily(number: int) -> Sequence[Change]:
    return [Thinks(lambda: _THINKS)]


@pytest.fixture(scope="module")
def cassettes(emulator: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> list[Cassette]:
    """Conversations with a service that does not vary."""
    return conversations(emulator, tmp_path_factory.mktemp("recorded"), steadily)


def conversations(emulator: Rehearsal, folder: Path, changes: Changes) -> list[Cassette]:
    with ChangedVendor(emulator.where["agent_url"], changes) as vendor:
        return [*recorded(vendor.url, emulator.given_key, folder)]


@pytest.fixture
def check(emulator: Rehearsal, cassettes: list[Cassette], tmp_path: Path) -> Checks:
    return Checks(emulator, cassettes, tmp_path)


def test_the_stalest_and_dearest_come_first_and_what_does_not_fit_into_the_budget_is_listed(check: Checks) -> None:
    """Age times cost: the shortest is a hundred times as old as the others, and what it leaves is enough for none."""
    now = datetime.now(timezone.utc)
    project = check.project("small budget", recorded_at=now - timedelta(days=1))
    number, shortest = min(enumerate(check.cassettes), key=lambda each: each[1].facts.ms)
    stale = replace(shortest, facts=replace(shortest.facts, recorded_at=now - timedelta(days=100)))
    write_cassettes(project.path / "cassettes" / f"test_{number}", [stale])
    status, document = check.check(project, steadily, f"--budget={shortest.facts.ms / 1000 + 2.1:.1f}s")
    assert (status, document["verdict"], document["fingerprint"]) == (0, "none", None)
    (entry,) = document["checked"]
    assert entry["cassette"] == f"cassettes/test_{number}/1"
    assert len(document["not_checked"]) == 2
    assert all("of the budget are left" in each["reason"] for each in document["not_checked"])
    usage = json.loads((project.path / ".dgbudget/report/usage.json").read_text(encoding="utf-8"))
    (session,) = usage["sessions"]
    shown = {"request_id": entry["request_id"], "target": "rehearsal", "nodeid": "cassettes check"}
    assert {name: session[name] for name in shown} == shown
    assert session["seconds"] == entry["seconds"]


def test_what_was_scrubbed_is_asked_for_and_sent_from_a_variable(check: Checks) -> None:
    project = check.project("scrubbed")
    lines = project.path / "cassettes/test_2/1" / LINES_FILE
    lines.write_text(lines.read_text(encoding="utf-8").replace("Goodbye.", "[scrubbed]"), encoding="utf-8")
    status, document = check.check(project, steadily)
    (left,) = document["not_checked"]
    assert (status, left["cassette"]) == (0, "cassettes/test_2/1")
    assert "--set InjectUserMessage/content=VARIABLE" in left["reason"]
    # The agent closes only when it hears this.
    status, document = check.check(project, steadily, "--set=InjectUserMessage/content=PARTING", PARTING="Goodbye.")
    assert (status, document["drifts"], document["not_checked"]) == (0, [], [])


def test_a_vendor_that_refuses_fails_the_check_without_a_drift(emulator: Rehearsal, check: Checks) -> None:
    project = check.project("refused")
    environ = {"DG_AGENT_URL": emulator.where["agent_url"], "DEEPGRAM_API_KEY": "dgemu_" + "0" * 20}
    status, document = check.check(project, steadily, **environ)
    assert (status, document["verdict"], document["fingerprint"], document["checked"]) == (1, "unchecked", None, [])
    assert [each["reason"].partition(":")[0] for each in document["not_checked"]] == ["it was refused with 401"] * 3


@pytest.mark.timeout(300)
def test_each_drift_of_a_changed_service_is_found_and_nothing_else(check: Checks) -> None:

    def found(name: str) -> set[str]:
        seeded = DRIFTS[name]
        document = check.run(name, seeded.changes, prices=seeded.prices, **seeded.recorded)
        return {drift["id"] for drift in document["drifts"]}

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        assert dict(zip(DRIFTS, pool.map(found, DRIFTS), strict=True)) == {
            name: seeded.found for name, seeded in DRIFTS.items()
        }


@pytest.mark.timeout(300)
def test_a_service_that_only_varies_has_no_drift_in_fifty_nights(emulator: Rehearsal, tmp_path: Path) -> None:
    """Words, counts of sentences (1 to 5), thinking (0.4 to 2 s), optional messages and chunking are random."""

    def varying(night: int) -> Changes:
        def changes(session: int) -> Sequence[Change]:
            seed = 100 * night + session
            thinking = random.Random(seed)
            return [Varies(seed), Thinks(lambda: thinking.uniform(0.4, 2))]

        return changes

    check = Checks(emulator, conversations(emulator, tmp_path, varying(0)), tmp_path)

    def drifts(night: int) -> list[str]:
        document = check.run(f"night {night}", varying(night), patience="12s")
        assert len(document["checked"]) == 3
        return [drift["what"] for drift in document["drifts"]]

    nights = range(1, 51)
    with ThreadPoolExecutor(2 * _AT_ONCE) as pool:
        assert {night: found for night, found in zip(nights, pool.map(drifts, nights), strict=True) if found} == {}
