"""Hooks of projects in real runs: each is called once for each fact, and none of them changes what happens."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import pytest

from tests.support.processes import wait_until
from tests.support.project import PROJECTS, Project
from tests.support.rules_project import INI
from tests.test_docs import text_of

SAME = ("nodeid", "attempt", "request_id", "seconds", "cost_usd", "tier", "closed_by", "close_code", "turns")
SESSION = {"session_opened": 1, "session_closed": 1}


def calls_in(folder: Path) -> list[dict[str, Any]]:
    path = folder / "calls.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def hooks_of(calls: list[dict[str, Any]], test: str) -> list[str]:
    return [call["hook"] for call in calls if str(call.get("nodeid")).endswith(f"::{test}")]


class Hooked:
    """A run of tests/projects/hooks, with the calls that its hooks have written."""

    def __init__(self, folder: Path, workers: str) -> None:
        project = Project(folder)
        project.write("pytest.ini", INI)
        project.use("hooks")
        below = str(Path("below", "test_below.py"))
        result = project.run(workers, "test_calls.py", below, "--dg-budget=5m", "--dg-target=emulator")
        project.end()
        self.folder, self.workers, self.usage, self.output = folder, workers, result.usage, result.output
        self.calls = calls_in(folder)

    def of(self, hook: str) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["hook"] == hook]


@pytest.fixture(scope="module", params=["-n0", pytest.param("-n2", marks=pytest.mark.slow)])
def hooked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hooked:
    return Hooked(tmp_path_factory.mktemp("hooked"), request.param)


def test_each_hook_is_called_once_for_each_fact(hooked: Hooked) -> None:
    texts = [call["text"] for call in hooked.of("scrub")]
    assert texts.count("Ada asks") == 1
    assert len(texts) > 10  # those of the failed test's artifacts
    assert Counter(call["hook"] for call in hooked.calls if call["hook"] != "scrub") == {
        "session_opened": 3,
        "turn": 2,
        "session_closed": 3,
        "overrun": 1,
        "discrepancy": 1,
        "run_finished": 1,
        "prices": 1,
    }, hooked.output


def test_a_session_opens_has_its_turns_and_closes(hooked: Hooked) -> None:
    assert hooks_of(hooked.calls, "test_talks") == ["session_opened", "turn", "turn", "session_closed", "discrepancy"]
    assert hooks_of(hooked.calls, "test_is_cut") == ["session_opened", "overrun", "session_closed"]
    assert hooked.calls[-1]["hook"] == "run_finished"


def test_sessions_are_called_where_their_tests_run_and_the_run_where_it_ends(hooked: Hooked) -> None:
    where = {call["hook"]: call["worker"] != "controller" for call in hooked.calls}
    in_worker = hooked.workers == "-n2"
    of_tests = {"session_opened", "turn", "session_closed", "overrun", "scrub"}
    assert where == {
        **dict.fromkeys(of_tests, in_worker),
        **dict.fromkeys(("prices", "discrepancy", "run_finished"), False),
    }
    assert not any(call["in_main_thread"] for call in hooked.calls)


def test_the_figures_are_those_of_the_report(hooked: Hooked) -> None:
    figures = {each["id"]: each for each in hooked.usage["sessions"]}
    for closed in hooked.of("session_closed"):
        session = figures.pop(closed["session"])
        assert {name: closed[name] for name in SAME} == {name: session[name] for name in SAME}
    assert figures == {}
    assert [turn["since"] for turn in hooked.of("turn")] == ["text", "text"]
    assert all(turn["latency_seconds"] >= 0 for turn in hooked.of("turn"))
    (overrun,) = hooked.of("overrun")
    assert (overrun["kind"], overrun["scope"], overrun["currency"], overrun["allowed"]) == ("cut", "test", "time", 1)
    assert "test budget of 1s used up" in overrun["message"]
    (discrepancy,) = hooked.of("discrepancy")
    (line,) = (each for each in hooked.usage["reconciliation"]["lines"] if each["class"] == "duration")
    assert (discrepancy["kind"], discrepancy["request_id"]) == ("duration", line["request_id"])
    assert discrepancy["vendor_seconds"] is line["vendor_seconds"] is None
    assert discrepancy["elapsed_seconds"] == line["elapsed_seconds"] > discrepancy["local_seconds"]


def test_the_end_of_the_run_has_the_whole_document(hooked: Hooked) -> None:
    (finished,) = hooked.of("run_finished")
    assert finished["usage"] == hooked.usage
    assert finished["exit_status"] == 1
    assert finished["report"] == str(hooked.folder / ".dgbudget/report/usage.json")


def test_prices_of_a_hook_price_the_sessions_of_every_worker(hooked: Hooked) -> None:
    assert hooked.usage["run"]["prices_as_of"] == "2026-11-01"
    for closed in hooked.of("session_closed"):
        assert closed["cost_usd"] == pytest.approx(closed["seconds"] * 0.6 / 60, abs=2e-6)


def test_the_hooks_of_a_folder_are_called_for_the_tests_below_it(hooked: Hooked) -> None:
    assert (hooked.folder / "below.txt").read_text(encoding="utf-8") == "below/test_below.py::test_below\n"
    assert Counter(hooks_of(hooked.calls, "test_below")) == SESSION


# How sessions end otherwise -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ctrl_c_closes_a_session_once_before_the_run_is_finished(project: Project) -> None:
    project.use("hooks")
    process = project.start("test_interrupted.py", "--dg-target=emulator", "--dg-budget=5m")
    wait_until(lambda: any(call["hook"] == "session_opened" for call in calls_in(project.path)), 30)
    process.send_signal(signal.SIGINT)
    project.result(process)
    calls = [call for call in calls_in(project.path) if call["hook"] != "scrub"]
    assert [call["hook"] for call in calls] == ["prices", "session_opened", "session_closed", "run_finished"]
    assert calls[-2]["closed_by"] in {"client", "teardown"}, "whoever of the two was first"
    assert calls[-1]["exit_status"] == 2


@pytest.mark.slow
def test_a_session_whose_gateway_died_is_closed_once_with_nothing_known(project: Project) -> None:
    project.expects_log = True
    project.use("hooks")
    result = project.run("test_gateway_dies.py", "--dg-target=emulator")
    assert result.status == 0, result.output
    calls = calls_in(project.path)
    assert Counter(hooks_of(calls, "test_loses_its_gateway")) == SESSION
    assert Counter(hooks_of(calls, "test_after")) == SESSION
    lost, after = (call for call in calls if call["hook"] == "session_closed")
    assert (lost["closed_by"], lost["seconds"], lost["cost_usd"]) == ("gateway-lost", None, None)
    assert after["closed_by"] == "client"


@pytest.mark.slow
def test_what_a_child_or_a_shared_application_opens_is_told_to_the_process_with_the_test(project: Project) -> None:
    project.use("hooks")
    result = project.run("test_forks.py", "test_process_token.py", "--dg-target=emulator")
    assert result.status == 0, result.output
    calls = calls_in(project.path)
    assert Counter(hooks_of(calls, "test_forks")) == SESSION
    assert Counter(hooks_of(calls, "test_shares_an_application")) == SESSION


# Hooks that break -----------------------------------------------------------------------------------------------------


def check_that_nothing_changed(project: Project, output: str) -> None:
    """Check the outcomes, the cut, and that the plugin beside the broken one had its calls."""
    document = json.loads((project.path / ".dgbudget/report/usage.json").read_text(encoding="utf-8"))
    outcomes = {test["nodeid"].partition("::")[2]: test["outcome"] for test in document["tests"]}
    assert outcomes == {"test_is_cut": "xfailed", "test_talks": "passed"}, output
    cut = next(each for each in document["sessions"] if each["nodeid"].endswith("test_is_cut"))
    assert cut["closed_by"] == "test-budget"
    assert cut["seconds"] <= 1 + document["run"]["overshoot_seconds"]  # where the machine kept the gateway waiting
    assert (project.path / "closed.txt").read_text(encoding="utf-8") in {"client", "test-budget"}
    assert (project.path / "finished.txt").read_text(encoding="utf-8") == "0"


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_hooks_that_raise_change_neither_cut_nor_outcome_and_are_reported(project: Project, workers: str) -> None:
    project.use("hooks_broken")
    result = project.run(workers, "-p", "other_hooks", "--dg-target=emulator", env={"HOOKS": "raise"})
    assert result.status == 0, result.output
    check_that_nothing_changed(project, result.output)
    assert "dgbudget hooks" in result.output
    reported = dict(re.findall(r"^pytest_dgbudget_(\w+) in conftest\.py raised(.*):$", result.output, re.MULTILINE))
    assert reported == {
        "prices": "",
        "session_opened": " 2 times; the first time",
        "turn": "",
        "overrun": "",
        "session_closed": " 2 times; the first time",
        "scrub": " 2 times; the first time",
        "run_finished": "",
    }
    assert "ConnectionError: no route to the webhook" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_hooks_that_sleep_for_a_minute_change_neither_cut_nor_outcome_and_pytest_ends(
    project: Project, workers: str
) -> None:
    project.use("hooks_broken")
    started = monotonic()
    result = project.run(workers, "-p", "other_hooks", "--dg-target=emulator", env={"HOOKS": "sleep"})
    assert result.status == 0, result.output
    assert monotonic() - started < 45, "nobody waits for them to wake up"
    check_that_nothing_changed(project, result.output)
    assert re.search(
        r"_session_opened in conftest\.py was still running after \d+ s, and was left alone", result.output
    )
    assert "pytest_dgbudget_scrub in conftest.py did not answer within 5 s" in result.output


# The example ----------------------------------------------------------------------------------------------------------


class Webhook(HTTPServer):
    """Takes what is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posted)
        self.posted: list[tuple[str | None, Any]] = []


class _Posted(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.headers["Content-Type"], json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.mark.slow
def test_the_example_posts_an_overrun_to_a_webhook(project: Project) -> None:
    project.use("hooks_webhook")
    with Webhook() as webhook:
        Thread(target=webhook.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{webhook.server_address[1]}/hook"
        result = project.run("--dg-target=emulator", env={"OVERRUN_WEBHOOK": url})
        webhook.shutdown()
    assert "1 failed" in result.output
    ((content_type, posted),) = webhook.posted
    assert content_type == "application/json"
    assert posted["text"].startswith("test_talks_too_long.py::test_talks_too_long: test budget of 1s used up, ")
    assert posted["text"].endswith(" of 1.00)")


def test_the_page_has_the_example_as_it_is() -> None:
    example = (PROJECTS / "hooks_webhook/conftest.py").read_text(encoding="utf-8")
    assert f"```python\n{example}```" in text_of("docs/hooks.md")
