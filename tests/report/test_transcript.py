"""A transcript says who said and did what, and when."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.recording.lines import LINES_FILE
from pytest_dgbudget.recording.reading import lines_in
from pytest_dgbudget.report.session_summary import summary_of
from pytest_dgbudget.report.transcript import header_lines, session_lines
from tests.support.recorded_sessions import GATEWAY, WELCOME, Step, ended, record, settings
from tests.support.recordings import CLIENT, SESSION, VENDOR


def transcript(folder: Path, *steps: Step, unended: str = "nobody saw it", **recorded: Any) -> tuple[str, list[str]]:
    """Record a session; return the header and the lines of its transcript."""
    session = record(folder, [WELCOME, settings(), *steps], **recorded) / SESSION
    lines = partial(lines_in, session / LINES_FILE)
    summary = summary_of(lines())
    assert summary is not None
    header = header_lines(summary, 1, 1, "emulator", unended, ("session.wav",))
    return "\n".join(header), list(session_lines(summary, lines(), unended))


def said(*steps: Step, folder: Path) -> list[str]:
    """Return the lines between Settings and the end."""
    _, lines = transcript(folder, *steps, ended(9000))
    assert lines[0] == "     0.21  client    Settings"
    assert lines[-1] == "     9.00  gateway   closed by client, code 1000"
    return lines[1:-1]


def test_the_header_names_the_session_and_how_it_ended(tmp_path: Path) -> None:
    header, _ = transcript(tmp_path, ended(12_345, "test-budget", 4402), close_reason="budget used up")
    assert header.splitlines() == [
        "Session 1 of 1",
        "  request id  4f0c-request",
        "  target      emulator",
        "  opened      2026-11-30T23:59:59.900Z (UTC)",
        "  seconds     12.345",
        "  closed by   test-budget, code 4402: budget used up",
        "  audio       session.wav",
    ]


def test_what_was_said_stands_with_its_time_and_speaker(tmp_path: Path) -> None:
    assert said(
        (1200, VENDOR, {"type": "ConversationText", "role": "user", "content": "Where is my order?"}),
        (2500, VENDOR, {"type": "ConversationText", "role": "assistant", "content": "One moment.\nIt is here."}),
        folder=tmp_path,
    ) == [
        "     1.20  user      Where is my order?",
        "     2.50  agent     One moment.",
        "                     It is here.",
    ]


def test_a_function_call_stands_with_its_arguments_and_its_answer(tmp_path: Path) -> None:
    call = {"id": "1", "name": "order_status", "arguments": '{"order": 17}', "client_side": True}
    answer = {"type": "FunctionCallResponse", "id": "1", "name": "order_status", "content": '{"at": "sea"}'}
    assert said(
        (1000, VENDOR, {"type": "FunctionCallRequest", "functions": [call]}),
        (1500, CLIENT, answer),
        (1501, VENDOR, answer),  # as the service may repeat it
        folder=tmp_path,
    ) == [
        '     1.00  function  order_status({"order": 17}) is called',
        '     1.50  function  order_status answers {"at": "sea"}',
    ]


def test_audio_stands_as_its_duration_where_it_began(tmp_path: Path) -> None:
    second = bytes(16_000)
    assert said(
        (1000, CLIENT, second),
        (1100, VENDOR, second),
        (1300, CLIENT, second),
        (2000, VENDOR, {"type": "AgentAudioDone"}),
        (2500, VENDOR, second),
        folder=tmp_path,
    ) == [
        "     1.00  user      [audio 2.00 s]",
        "     1.10  agent     [audio 1.00 s]",
        "     2.00  vendor    AgentAudioDone",
        "     2.50  agent     [audio 1.00 s]",
    ]


def test_an_interruption_says_what_of_the_agent_was_not_heard(tmp_path: Path) -> None:
    started = {"type": "UserStartedSpeaking"}
    assert said(
        (1000, VENDOR, bytes(32_000)),
        (1700, VENDOR, started),
        (3000, VENDOR, started),
        folder=tmp_path,
    ) == [
        "     1.00  agent     [audio 2.00 s]",
        "     1.70  user      (starts to speak and interrupts the agent, 1.30 s of whose audio is not heard)",
        "     3.00  user      (starts to speak)",
    ]


def test_warnings_errors_and_refusals_stand_with_what_they_say(tmp_path: Path) -> None:
    assert said(
        (1000, VENDOR, {"type": "Warning", "code": "SLOW", "description": "slow"}),
        (1100, VENDOR, {"type": "Error", "code": "BAD", "description": "bad"}),
        (1200, VENDOR, {"type": "InjectionRefused", "message": "busy"}),
        (1300, CLIENT, {"type": "InjectAgentMessage", "message": "Hello"}),
        folder=tmp_path,
    ) == [
        "     1.00  vendor    Warning SLOW: slow",
        "     1.10  vendor    Error BAD: bad",
        '     1.20  vendor    {"type": "InjectionRefused", "message": "busy"}',
        "     1.30  client    InjectAgentMessage: Hello",
    ]


def test_what_the_gateway_noticed_stands_at_its_place(tmp_path: Path) -> None:
    assert said(
        (1000, GATEWAY, ("RuleBroken", {"violation": {"rule": "r", "what": "audio came before SettingsApplied"}})),
        (2000, GATEWAY, ("SessionStalled", {"stall": {"kind": "one-way", "ms": 3000}})),
        (2500, GATEWAY, ("TierChanged", {"tier": "standard"})),
        (2600, GATEWAY, ("RuleBroken", {"violation": {"rule": "no-error", "what": "its message says it"}})),
        folder=tmp_path,
    ) == [
        "     1.00  gateway   the protocol was broken: audio came before SettingsApplied",
        "     2.00  gateway   stalled, one-way, for 3.00 s",
    ]


@pytest.mark.parametrize("content", ["\x1b[2Jgone", "\x9b2Jgone", "\x00\x07"])
def test_a_terminal_obeys_nothing_that_an_agent_says(tmp_path: Path, content: str) -> None:
    (line,) = said(
        (1000, VENDOR, {"type": "ConversationText", "role": "assistant", "content": content}), folder=tmp_path
    )
    assert line.isprintable()
    assert "\\x" in line


def test_what_no_file_can_hold_is_escaped(tmp_path: Path) -> None:
    (line,) = said((1000, VENDOR, {"type": "ConversationText", "role": "user", "content": "\ud800"}), folder=tmp_path)
    assert line == "     1.00  user      \\ud800"


def test_a_long_text_is_cut_and_says_how_much(tmp_path: Path) -> None:
    content = "x" * 3000
    (line,) = said((1000, VENDOR, {"type": "ConversationText", "role": "user", "content": content}), folder=tmp_path)
    assert line.endswith("x … (1000 characters more)")


def test_compressed_audio_stands_with_its_size(tmp_path: Path) -> None:
    session = record(tmp_path, [WELCOME, settings("opus"), (1000, CLIENT, b"12345"), ended(2000)]) / SESSION
    lines = partial(lines_in, session / LINES_FILE)
    summary = summary_of(lines())
    assert summary is not None
    assert "     1.00  user      [audio of 5 bytes, opus]" in session_lines(summary, lines(), "")


def test_a_message_of_any_form_is_told(tmp_path: Path) -> None:
    """Nothing that a vendor sends may keep a failure from being explained."""
    odd = [
        {"type": "ConversationText"},
        {"type": "FunctionCallRequest", "functions": "none"},
        {"type": "FunctionCallRequest", "functions": [1, {}]},
        {"type": "Error"},
        *({"type": "LatencyReport", "total_latency": total} for total in ("long", 10**400, True)),
        {"type": 17},
        ["a", "list"],
        "text",
        None,
        {"no": "type"},
    ]
    lines = said(*[(1000 + n, VENDOR, message) for n, message in enumerate(odd)], folder=tmp_path)
    assert len(lines) == len(odd) - 1 - 3  # one has no functions, three no latency


def test_a_session_without_its_end_says_why(tmp_path: Path) -> None:
    header, lines = transcript(
        tmp_path, (1000, VENDOR, {"type": "AgentAudioDone"}), unended="the gateway died", ends=False
    )
    assert "  closed by   unknown: the gateway died" in header
    assert "  seconds     unknown" in header
    assert lines[-1] == "     1.00  gateway   (no more of it: the gateway died)"


def test_a_recording_that_was_cut_short_says_where_and_why(tmp_path: Path) -> None:
    session = record(tmp_path, [WELCOME, settings(), (1000, VENDOR, {"type": "AgentAudioDone"})], ends=False) / SESSION
    path = session / LINES_FILE
    stopped = path.read_text(encoding="utf-8").splitlines()[-1].replace("AgentAudioDone", "(stopped)")
    stopped = stopped.replace('"(stopped)"', '"(stopped)", "why": "64 MiB are full"').replace(VENDOR, GATEWAY)
    with path.open("a", encoding="utf-8") as file:
        file.write(stopped + "\n")
    lines = partial(lines_in, path)
    summary = summary_of(lines())
    assert summary is not None
    *_, last = session_lines(summary, lines(), "")
    assert last == "     1.00  gateway   (the recording was cut short: 64 MiB are full)"
