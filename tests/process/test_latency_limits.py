"""``dg_latency`` fails and passes for the right turns, whichever client takes them, against a vendor of known times."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from tests.support.client_world import ROOT, installed
from tests.support.limit_scenes import LIMIT_SCRIPTS
from tests.support.project import Project, Result
from tests.support.timed_vendor import TimedVendor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUN = ("--dg-target=live", "--dg-budget=10m", "--dg-reconcile=off", "--junitxml=junit.xml", "-rA")


@pytest.fixture(scope="module")
def vendor() -> Iterator[TimedVendor]:
    scenes = {name: script.scene for name, script in LIMIT_SCRIPTS.items()}
    with TimedVendor(scenes, {name: script.bytes_per_ms for name, script in LIMIT_SCRIPTS.items()}) as server:
        yield server


def run(project: Project, client: str, vendor: TimedVendor, *arguments: str) -> Result:
    project.use("latency/limits")
    packages = [str(installed("SDK 7"))] if client == "sdk" else []
    python_path = os.pathsep.join([*packages, str(project.path), str(ROOT)])
    environ = {**vendor.environ, "PYTHONPATH": python_path}
    return project.run(*RUN, "-p", client, *arguments, env=environ, timeout=240)


class Reported:
    """What JUnit has of each test that went wrong: what it is, and the message."""

    def __init__(self, result: Result) -> None:
        self.wrong: dict[str, list[tuple[str, str]]] = {}
        for case in ElementTree.parse(result.path / "junit.xml").iter("testcase"):
            kinds = ("failure", "error", "skipped")
            found = [(each.tag, each.attrib.get("message", "")) for each in case if each.tag in kinds]
            self.wrong[case.attrib["name"]] = self.wrong.get(case.attrib["name"], []) + found

    def passed(self) -> set[str]:
        return {name for name, wrong in self.wrong.items() if not wrong}

    def of(self, kind: str) -> dict[str, str]:
        """Return the message of each test that has one of this kind, and no other."""
        return {name: said for name, ((found, said), *more) in self._wrong() if found == kind and not more}

    def _wrong(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        return ((name, wrong) for name, wrong in self.wrong.items() if wrong)


NOT_UNPACED = "1 turn whose audio came faster than real time (unpaced)"
NOT_READ = "1 turn whose audio can't be read, or is never loud (since: transcript)"
WENT_ON = "1 turn that the user went on with before an answer"
FEW = "dg_latency wants at least "
NO_ANSWER = (
    "p95 of 1 turn is one without an answer, and dg_latency allows 3600.000s\n"
    "  slower: turn 1 of session {never answered} (no answer)"
)
FAILS = {
    "test_one_slow": (
        "p95 of 3 turns is {p95}, and dg_latency allows 1.000s\n  slower: turn 2 of session {one slow} ({p95})"
    ),
    "test_too_few": f"{FEW}4 turns: 3 turns judged in 1 session",
    "test_no_session": f"{FEW}1 turn: no turn was judged, for no session passed the gateway",
    "test_slow_speech": (
        "p95 of 1 turn is {p95}, and dg_latency allows 0.200s\n  slower: turn 1 of session {speech} ({p95})"
    ),
    "test_overlapped": (
        "p95 of 1 turn is {p95}, and dg_latency allows 0.100s\n"
        "  slower: turn 1 of session {a text during the greeting} ({p95}, overlapped)"
    ),
    "test_nothing_is_judged": (
        f"{FEW}1 turn: no turn was judged in 2 sessions\n  not judged: {NOT_UNPACED}; {NOT_READ}"
    ),
    "test_continued": f"{FEW}2 turns: 1 turn judged in 1 session\n  not judged: {WENT_ON}",
    "test_never_answered": NO_ANSWER,
    "test_too_few_whatever_its_teardown_brings": (
        f"{FEW}2 turns: no turn was judged in 1 session\n  without an answer when the test's body ended: 1 turn"
    ),
    "test_skips": ("p95 of 1 turn is {p95}, and dg_latency allows 1.000s\n  slower: turn 1 of session {slow} ({p95})"),
}
QUICKER = "\n  make the agent answer sooner, or raise the limit in the marker dg_latency"
ANSWERED = "\n  a turn without an answer is above every limit: keep its session open until the agent has answered"
MORE = "\n  have the test take more turns, or lower turns= in the marker dg_latency"


class Said:
    """What is to be said of a test, by the vendor's ids of its sessions and the figures of usage.json."""

    def __init__(self, result: Result, vendor: TimedVendor) -> None:
        self._p95_ms = {test["nodeid"].rpartition("::")[2]: test["latency_p95_ms"] for test in result.usage["tests"]}
        self._vendor = vendor

    def text(self, name: str, form: str) -> str:
        stages = {
            key.partition("/")[2]: stage for key, stage in self._vendor.stages.items() if key.startswith(f"{name}/")
        }
        values = {script: stage.seen.request_id for script, stage in stages.items()}
        p95_ms = self._p95_ms.get(name)
        values["p95"] = "" if p95_ms is None else f"{p95_ms / 1000:.3f}s"
        advice = ANSWERED if form == NO_ANSWER else QUICKER if "slower" in form else MORE
        return f"pytest_dgbudget.LatencyExceeded: {form.format_map(values)}{advice}"


CLIENTS = [("own", "-n0"), ("own", "-n2"), ("raw", "-n0"), ("raw", "-n2"), ("sdk", "-n0")]


@pytest.mark.parametrize(("client", "workers"), CLIENTS)
def test_limits_fail_and_pass_for_the_right_turns(
    project: Project, vendor: TimedVendor, client: str, workers: str
) -> None:
    vendor.stages.clear()
    result = run(project, client, vendor, workers, "-o", "dg_overrun_exit_code=77", "test_limits.py")
    reported, said = Reported(result), Said(result, vendor)
    assert result.status == 1, result.output
    assert reported.passed() == {
        "test_all_quick",
        "test_one_slow_of_three_is_no_median",
        "test_speech",
        "test_interrupted",
        "test_unpaced",
    }
    failures = reported.of("failure")
    check_two_sessions(failures.pop("test_two_sessions"), vendor)
    for name in ("test_own_error", "test_too_few_and_an_own_error"):
        assert failures.pop(name) == "LookupError: its own"
    assert "BudgetExhausted: test budget of 0s allows nothing" in failures.pop("test_refused")
    assert failures == {name: said.text(name, form) for name, form in FAILS.items()}
    (late,) = reported.of("error").items()
    assert late[0] == "test_never_answered_until_its_teardown"
    assert said.text(late[0], NO_ANSWER) in late[1]
    assert reported.of("skipped").keys() == {"test_skips_early", "test_expected"}
    assert all(said_of(result, "test_own_error").count(each) == 1 for each in ("p95 of 1 turn is", "its own\n"))
    assert "dg_latency wants" not in said_of(result, "test_too_few_and_an_own_error")
    assert {test["nodeid"] for test in result.usage["tests"] if test["verdict"] == "overrun"} == {
        "test_limits.py::test_refused"
    }


def check_two_sessions(said: str, vendor: TimedVendor) -> None:
    """Of the turns of all sessions together, the slowest come first, and not all are named."""
    quick, slow = (vendor.stages[f"test_two_sessions/{name}"].seen.request_id for name in ("all quick", "one slow"))
    assert re.search(r"p50 of 6 turns is \S+s, and dg_latency allows 0\.001s; p95 of 6 turns is 1\.[6-9]", said)
    named = re.findall(r"turn (\d) of session (\S+) \((\S+)s\)", said)
    assert named[0][:2] == ("2", slow)
    assert {each[1] for each in named} == {quick, slow}
    assert len({each[:2] for each in named}) == 5
    assert [each[2] for each in named] == sorted((each[2] for each in named), key=float, reverse=True)
    assert ", and 1 more\n" in said


def said_of(result: Result, test: str) -> str:
    """Return what pytest shows of a test that failed, its report's sections included."""
    return re.split(rf"^_+ {test} _+$", result.output, flags=re.MULTILINE)[1].partition("\n____")[0]


def test_each_attempt_is_judged_by_its_own_turns(project: Project, vendor: TimedVendor) -> None:
    project.use("latency/test_rerun.py")
    result = run(project, "own", vendor, "-n0", "--reruns=1", "test_rerun.py")
    assert result.status == 0, result.output
    assert "1 passed, 1 rerun" in result.output
    assert [(test["attempt"], test["outcome"]) for test in result.usage["tests"]] == [(1, "rerun"), (2, "passed")]


def test_a_testcase_is_judged_by_what_it_ended_with(project: Project, vendor: TimedVendor) -> None:
    project.use("latency/test_testcase.py")
    result = run(project, "own", vendor, "-n0", "test_testcase.py")
    reported, said = Reported(result), Said(result, vendor)
    assert reported.of("failure") == {
        name: said.text(name, FAILS["test_skips"]) for name in ("test_slow", "test_skips")
    }, result.output
    assert reported.of("skipped").keys() == {"test_is_expected_to_fail", "test_skips_early"}
    assert reported.passed() == {"test_in_parts"}


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="subtests came with pytest 9")
def test_a_test_with_subtests_is_judged_when_its_body_has_ended(project: Project, vendor: TimedVendor) -> None:
    project.use("latency/test_subtests.py")
    result = run(project, "own", vendor, "-n0", "test_subtests.py")
    said = re.findall(r"^([A-Z]+\S*) test_subtests\.py::(\w+)", result.output, re.MULTILINE)
    assert said == [
        ("PASSED", "test_quick"),
        ("FAILED", "test_slow"),
        ("SUBFAILED[slow]", "test_own_error"),
        ("FAILED", "test_own_error"),
    ], result.output
    assert "LatencyExceeded: p95 of 4 turns is 1.6" in said_of(result, "test_slow")
    assert said_of(result, "test_own_error").startswith("\ncontains 1 failed subtest\n")
    assert "p95 of 1 turn is 1.6" in said_of(result, "test_own_error")
    assert result.output.count("p95 of 1 turn is") == 1


@pytest.mark.parametrize("arguments", [["--dg-target=emulator"], []], ids=["a run that is ours", "another"])
def test_at_pace_max_nothing_is_judged_and_the_tests_report_says_so(project: Project, arguments: list[str]) -> None:
    project.use("latency/test_emulated.py")
    result = project.run("--dg-pace=max", "--junitxml=junit.xml", "-rA", *arguments)
    assert result.status == 1, result.output
    (failed, said), *more = Reported(result).of("failure").items()
    assert (failed, more) == ("test_at_pace_vendor", [])
    assert "LatencyExceeded: p95 of 1 turn is " in said
    assert Reported(result).passed() == {"test_at_pace_max", "test_at_pace_max_without_a_session"}
    assert result.output.count("dg_latency is not judged at pace max") == 2
