"""``--dg-plan``: which tests a plan counts, with what it holds them, and that it opens nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config import PLAN_VARIABLE
from tests.ledger.test_past import spend
from tests.support.ledger import open_ledger
from tests.support.project import Project
from tests.support.vendor import KEY

LIVE = ("--dg-target=live",)
KNOWN = "test_it.py::test_known[small]"


class PlannedProject:
    """The project of tests/projects/plan, planned by pytests in this process."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = pytester.path
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        self._runs = 0
        Project(self.path).use("plan/test_it.py")

    def past(self, *ms: int, nodeid: str = KNOWN, target: str = "live", run: str | None = None, **others: Any) -> None:
        """Write a run for each of these figures."""
        for each in ms:
            self._runs += 1
            ledger = open_ledger(
                self.path / ".dgbudget/ledger.db",
                id=f"invocation-{self._runs}",
                run=run or f"run-{self._runs}",
                target=target,
                billed=target == "live",
                budget_ms=10**9,
            )
            spend(ledger, each, each, nodeid=nodeid, **others)
            ledger.close()

    def run(self, *arguments: str) -> pytest.RunResult:
        return self._pytester.runpytest_inprocess("--dg-plan", *arguments)

    def plan(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        file = self.path / "plan.json"
        self._monkeypatch.setenv(PLAN_VARIABLE, str(file))
        result = self.run(*arguments)
        assert result.ret == status, str(result.stdout) + str(result.stderr)
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return document

    def sources(self, *arguments: str) -> dict[str, str]:
        return {test["nodeid"].partition("::")[2]: test["source"] for test in self.plan(*arguments)["tests"]}


@pytest.fixture
def planned(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bare_start: None) -> PlannedProject:
    for name in ("DG_AGENT_URL", "DG_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return PlannedProject(pytester, monkeypatch)


def test_tests_that_would_open_a_session_count_and_no_others(planned: PlannedProject) -> None:
    planned.past(1000)
    planned.past(2000, nodeid="test_it.py::test_by_process_token")
    planned.past(2000, nodeid="test_it.py::test_that_was_renamed")
    planned.past(3000, nodeid="test_it.py::test_skipped")
    assert planned.sources(*LIVE) == {
        "test_known[small]": "live",
        "test_known[large]": "budget",
        "test_new": "budget",
        "test_by_process_token": "live",
    }


def test_what_is_deselected_is_not_planned(planned: PlannedProject) -> None:
    assert set(planned.sources("-k", "large")) == {"test_known[large]"}


def test_a_first_timer_counts_with_the_budget_that_it_will_have(planned: PlannedProject) -> None:
    tests = {test["nodeid"]: test for test in planned.plan(*LIVE, "--dg-test-budget=30s")["tests"]}
    assert tests["test_it.py::test_new"]["p90_seconds"] == 20
    assert tests[KNOWN]["p90_seconds"] == 30
    assert tests[KNOWN]["p90_usd"] == pytest.approx(0.0815)


def test_emulated_forecasts_stand_in_for_a_live_past_and_are_named(planned: PlannedProject) -> None:
    planned.past(4000, target="emulator", skipped_ms=6000)
    document = planned.plan(*LIVE, "-k", "small")
    (test,) = document["tests"]
    assert (test["source"], test["median_seconds"]) == ("emulated", 10)
    planned.run(*LIVE, "-k", "small").stdout.fnmatch_lines(["*1 emulated run", "*by the forecasts of emulated runs*"])


@pytest.mark.parametrize(
    ("arguments", "fits", "status"),
    [
        (["--dg-budget=4s"], "no", 1),
        (["--dg-budget=0"], "no", 1),
        (["--dg-budget=1m"], "perhaps", 0),
        (["--dg-budget=10m"], "yes", 0),
        ([], "yes", 0),
    ],
    ids=str,
)
def test_a_run_that_cannot_fit_is_an_error_and_one_that_may_not_is_none(
    planned: PlannedProject, arguments: list[str], fits: str, status: int
) -> None:
    planned.past(5000)
    assert planned.plan(*LIVE, *arguments, status=status)["fits"] == fits


def test_a_plan_of_nothing_is_none(planned: PlannedProject) -> None:
    assert planned.plan("--dg-budget=0", "-k", "plain")["tests"] == []
    assert planned.run("-k", "no_such_test").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_what_earlier_runs_of_the_same_id_have_spent_is_not_left(planned: PlannedProject) -> None:
    planned.past(50_000, run="shared")
    document = planned.plan("--dg-budget=1m", "--dg-run-id=shared", "--dg-target=live", "-k", "small", status=1)
    assert [(each["allowed"], each["left"], each["fits"]) for each in document["budgets"]] == [(60, 10, "no")]


@pytest.mark.parametrize(
    ("arguments", "workers", "wall_seconds"),
    [
        (["-n0"], 1, 30),
        (["-n2"], 2, 20),
        (["-n2", "--dg-max-sessions=1"], 1, 30),
        (["-n2", "--dist=loadfile"], 2, 30),
        (["--tx=3*popen", "--dist=load"], 3, 20),
    ],
    ids=str,
)
def test_the_wall_time_is_that_of_as_many_workers_as_were_asked_for_and_none_is_started(
    planned: PlannedProject, arguments: list[str], workers: int, wall_seconds: float
) -> None:
    planned.past(20_000)
    planned.past(10_000, nodeid="test_it.py::test_known[large]")
    document = planned.plan(*LIVE, *arguments, "-k", "known")
    assert (document["workers"], document["wall_seconds"]) == (workers, wall_seconds)


def test_what_every_worker_runs_is_spent_by_each(planned: PlannedProject) -> None:
    planned.past(10_000)
    document = planned.plan(*LIVE, "-n3", "--dist=each", "-k", "small")
    assert (document["tests"][0]["copies"], document["median_seconds"], document["wall_seconds"]) == (3, 30, 10)


def test_a_test_of_a_group_is_known_by_the_name_that_xdist_gives_it(planned: PlannedProject) -> None:
    (planned.path / "test_group.py").write_text(
        "import pytest\n@pytest.mark.xdist_group('desk')\ndef test_it(voice_agent): pass\n", encoding="utf-8"
    )
    planned.past(1000, nodeid="test_group.py::test_it@desk")
    assert planned.sources("test_group.py", "-n2", "--dist=loadgroup") == {"test_it": "live"}
    assert planned.sources("test_group.py") == {"test_it": "budget"}


def test_a_plan_opens_starts_and_writes_nothing_and_runs_no_test(planned: PlannedProject) -> None:
    before = {path.name for path in planned.path.rglob("*") if "__pycache__" not in path.parts}
    result = planned.run(*LIVE, "-n2")
    assert result.ret == 0
    assert "its body ran" not in str(result.stdout)
    assert "<Function" not in str(result.stdout), "the list of tests that --collect-only shows"
    after = {path.name for path in planned.path.rglob("*") if "__pycache__" not in path.parts}
    assert after == before
    result.stdout.fnmatch_lines(["*there is no ledger*ledger.db: no test has a past*"])


def test_a_plan_leaves_the_ledger_as_it_is(planned: PlannedProject) -> None:
    planned.past(1000)
    ledger = planned.path / ".dgbudget/ledger.db"
    before = ledger.read_bytes()
    planned.plan(*LIVE)
    assert ledger.read_bytes() == before


def test_a_ledger_of_an_earlier_version_is_left_as_it_is_and_that_is_said(planned: PlannedProject) -> None:
    path = planned.path / ".dgbudget/ledger.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as earlier:
        text = (Path(__file__).parents[1] / "ledger/version-4.sql").read_text(encoding="utf-8")
        earlier.executescript(text)
    assert any("earlier version" in note for note in planned.plan(*LIVE)["notes"])
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("SELECT MAX(version) FROM schema").fetchone() == (4,)


@pytest.mark.parametrize("is_database", [False, True])
def test_what_is_no_ledger_is_an_error(planned: PlannedProject, is_database: bool) -> None:
    path = planned.path / ".dgbudget/ledger.db"
    path.parent.mkdir()
    path.write_text("" if is_database else "no database at all, but a text", encoding="utf-8")
    if is_database:
        with closing(sqlite3.connect(path)) as others:
            others.execute("CREATE TABLE somebody_elses (it INTEGER)")
    result = planned.run(*LIVE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest-dgbudget: *ledger*"])


def test_a_bad_marker_is_an_error_of_its_collection_and_the_rest_is_planned(planned: PlannedProject) -> None:
    (planned.path / "test_bad.py").write_text(
        "import pytest\n@pytest.mark.dg_budget('soon')\ndef test_it(voice_agent): pass\n", encoding="utf-8"
    )
    document = planned.plan(*LIVE, status=pytest.ExitCode.INTERRUPTED)
    assert len(document["tests"]) == 3


def test_a_run_that_is_not_live_is_said_to_be_none_and_touches_no_window(
    planned: PlannedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = planned.plan()
    assert document["billed"] is False
    assert any("would not be live" in note for note in document["notes"])
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    assert planned.plan("--dg-budget=5m")["notes"] == [
        f"there is no ledger {planned.path}/.dgbudget/ledger.db: no test has a past, and nothing counts as spent"
    ]


BUDGETS = """
[window]
day = "30s"
month = "$50"
[[path]]
glob = "test_it.py"
test = "10s"
run = "15s"
"""


def test_budgets_of_paths_count_and_windows_where_the_run_would_be_billed(planned: PlannedProject) -> None:
    (planned.path / "dgbudget.toml").write_text(BUDGETS, encoding="utf-8")
    planned.past(20_000)
    live = planned.plan(*LIVE, "-k", "small or large")
    assert [
        (each["scope"], each["label"], each["left"], each["fits"], each["counted"]) for each in live["budgets"]
    ] == [
        ("window", "day", 10, "perhaps", True),
        ("window", "month", 49.98, "yes", True),
        ("path", "test_it.py", 15, "perhaps", True),
    ]
    emulated = {each["label"]: each["counted"] for each in planned.plan("-k", "small")["budgets"]}
    assert emulated == {"day": False, "month": False, "test_it.py": True}


def test_a_run_budget_in_money_counts_too_and_a_test_is_predicted_to_cost_what_it_may(planned: PlannedProject) -> None:
    (planned.path / "test_cost.py").write_text(
        "import pytest\n@pytest.mark.dg_budget(cost=0.05)\ndef test_it(voice_agent): pass\n", encoding="utf-8"
    )
    document = planned.plan(*LIVE, "--dg-cost-budget=0.04", "--dg-budget=10m", "test_cost.py")
    assert [(each["currency"], each["p90"], each["fits"]) for each in document["budgets"]] == [
        ("time", 60, "yes"),
        ("money", 0.05, "perhaps"),
    ]


def test_prices_of_hooks_are_not_asked_for(planned: PlannedProject) -> None:
    (planned.path / "conftest.py").write_text(
        "def pytest_dgbudget_prices(config): raise AssertionError('it was called')\n", encoding="utf-8"
    )
    assert "it was called" not in str(planned.run(*LIVE).stdout)
