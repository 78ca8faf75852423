"""A session as tests use it: each rule is a test of one project, run once against a vendor that plays scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.rules_project import RulesProject, made_once, rules_in
from tests.support.scripted_vendor import ScriptedVendor
from tests.support.vendor import KEY, Seen

CONFTEST, RULES, SLOW_RULES = "session/conftest.py", "session/test_rules.py", "session/test_slow_rules.py"


@dataclass(frozen=True)
class Recorded:
    """One run of rules, and the connections that its vendor had."""

    rules: RulesProject
    connections: list[Seen]

    def of(self, test: str) -> list[Seen]:
        return [seen for seen in self.connections if seen.headers.get("x-deepgram-test") == test]


def recorded_run(rules: str, *arguments: str) -> Callable[[Path], Recorded]:
    def run(path: Path) -> Recorded:
        with ScriptedVendor() as scripted:
            ended = RulesProject(path, [CONFTEST, rules], *arguments, env=scripted.environ)
            scripted.wait_closed(1)
            return Recorded(ended, scripted.connections)

    return run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return made_once(tmp_path_factory, "rules", recorded_run(RULES, "-n2", "--dg-budget=100m"))


@pytest.fixture(scope="module")
def rules(recorded: Recorded) -> RulesProject:
    return recorded.rules


@pytest.fixture(scope="module")
def recorded_slowly(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return made_once(tmp_path_factory, "slow_rules", recorded_run(SLOW_RULES, "-n3", "--dg-budget=10m"))


@pytest.mark.parametrize("rule", rules_in(RULES))
def test_rule(rules: RulesProject, rule: str) -> None:
    rules.check(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", rules_in(SLOW_RULES))
def test_slow_rule(recorded_slowly: Recorded, rule: str) -> None:
    recorded_slowly.rules.check(rule)


@pytest.mark.slow
def test_keep_alives_reach_the_vendor(recorded_slowly: Recorded) -> None:
    (seen,) = recorded_slowly.of("test_keep_alives_go_out_by_themselves")
    assert [message["type"] for message in seen.messages] == ["Settings", "KeepAlive"]


# The same sessions as the vendor and the report saw them ------------------------------------------------------------


def test_every_session_of_every_rule_is_closed_at_the_vendor(rules: RulesProject, recorded: Recorded) -> None:
    assert rules.usage["run"]["complete"]
    assert [seen for seen in recorded.connections if seen.closed_at is None] == []


def test_a_session_forgotten_is_closed_by_teardown(rules: RulesProject, recorded: Recorded) -> None:
    name = "test_awaiting_connect_gives_a_session_that_teardown_closes"
    assert [session["closed_by"] for session in rules.sessions(name)] == ["teardown"]
    assert [seen.close_code for seen in recorded.of(name)] == [1000]


def test_with_in_a_running_loop_leases_and_dials_nothing(rules: RulesProject, recorded: Recorded) -> None:
    name = "test_with_in_a_running_loop_raises_at_once"
    assert not rules.sessions(name)
    assert not recorded.of(name)
    (test,) = [test for test in rules.usage["tests"] if test["nodeid"].endswith(f"::{name}")]
    assert test["used_seconds"] == 0


def test_bad_settings_dial_nothing(rules: RulesProject) -> None:
    assert rules.sessions("test_bad_settings_raise_before_anything_is_opened") == []


def test_tags_and_headers_as_the_vendor_saw_them(rules: RulesProject, recorded: Recorded) -> None:
    (seen,) = recorded.of("test_tags_and_headers_reach_the_vendor")
    assert seen.headers["x-deepgram-other"] == "its value"
    assert seen.headers["authorization"] == f"Token {KEY}"
    assert seen.settings is not None
    assert seen.settings["tags"] == ["smoke", "nightly", f"dgbudget-{rules.usage['run']['id']}"]


def test_own_tags_and_unknown_fields_as_the_vendor_saw_them(rules: RulesProject, recorded: Recorded) -> None:
    (seen,) = recorded.of("test_the_settings_own_tags_stay")
    run_tag = f"dgbudget-{rules.usage['run']['id']}"
    assert seen.settings == {
        "type": "Settings",
        "tags": ["own", "more", run_tag],
        "agent": {"greeting": "hi"},
        "from_the_future": {"n": [1.5]},
    }


def test_settings_files_as_the_vendor_saw_them(rules: RulesProject, recorded: Recorded) -> None:
    settings = [seen.settings for seen in recorded.of("test_settings_come_from_files")]
    assert [each["agent"]["greeting"] for each in settings if each] == ["from json", "from toml"]


def test_no_frame_of_paced_audio_comes_early_or_much_too_late(rules: RulesProject, recorded: Recorded) -> None:
    (seen,) = recorded.of("test_audio_is_sent_in_real_time")
    frames = [message for message in seen.messages if message["type"] == "(audio)"]
    assert [frame["bytes"] for frame in frames] == [960] * 50
    (began,) = [message["began"] for message in seen.messages if "began" in message]
    for number, frame in enumerate(frames):
        assert frame["at"] - began >= number * 0.02 - 0.005, number
    assert frames[-1]["at"] - frames[0]["at"] < 49 * 0.02 + 5


def test_all_of_the_audio_reaches_the_vendor(rules: RulesProject, recorded: Recorded) -> None:
    (unpaced,) = recorded.of("test_audio_without_a_pace_is_sent_at_once")
    (wav,) = recorded.of("test_a_wav_file_is_sent_as_its_samples")
    (recording,) = recorded.of("test_a_recording_is_sent_where_the_target_is_live")
    assert (unpaced.audio_bytes, wav.audio_bytes, recording.audio_bytes) == (480_000, 7680, 9600)
    (session,) = rules.sessions("test_audio_without_a_pace_is_sent_at_once")
    assert session["audio_in_seconds"] == 10


@pytest.mark.parametrize(
    ("rule", "closed_by"),
    [
        ("test_the_vendors_own_close_is_the_servers", "server"),
        ("test_a_dropped_connection_is_the_networks", "network"),
        ("test_garbage_instead_of_http_is_a_refused_handshake", "network"),
        ("test_the_vendors_refusal_comes_with_status_code_and_advice[401-INVALID_AUTH-DEEPGRAM_API_KEY]", "refused"),
        ("test_close_twice_is_fine", "client"),
    ],
)
def test_the_report_says_who_closed_a_session(rules: RulesProject, rule: str, closed_by: str) -> None:
    assert [session["closed_by"] for session in rules.sessions(rule)] == [closed_by]


def test_a_dial_that_never_opened_counts_in_no_sessions_number(rules: RulesProject) -> None:
    name = "test_garbage_instead_of_http_is_a_refused_handshake"
    (test,) = [test for test in rules.usage["tests"] if test["nodeid"].endswith(f"::{name}")]
    (session,) = rules.sessions(name)
    assert (test["sessions"], session["handshake_seconds"]) == (0, None)


def test_a_cancelled_connect_is_closed_at_once_not_by_teardown(rules: RulesProject, recorded: Recorded) -> None:
    name = "test_a_cancelled_connect_leaves_nothing_open"
    assert [session["closed_by"] for session in rules.sessions(name)] == ["client"]


# A vendor that is not there, and a gateway that no longer is ---------------------------------------------------------


def test_an_unreachable_vendor_is_a_refused_handshake_with_advice(project: Project) -> None:
    project.use("session/test_unreachable.py")
    result = project.run("--dg-budget=5m", env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 0, result.output
    (session,) = result.usage["sessions"]
    assert (session["closed_by"], session["handshake_seconds"]) == ("network", None)
    assert result.usage["run"]["sessions"] == 0
