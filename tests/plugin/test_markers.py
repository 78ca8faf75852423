"""@pytest.mark.dg_budget: the nearest one wins, and a bad one fails its own test alone."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import Vendor

BAD_MARKERS = {
    "unknown": "has an unknown argument 'tomorrow'",
    "no_time": "'ten seconds' is not a time",
    "negative": "'-1' is not a time",
    "nan": "'nan' is not a time",
    "boolean": "True is not a time",
    "none": "None is not a time",
    "two": "has more than one time",
    "two_names": "has more than one time",
    "bad_idle": "'never' is not a time",
    "empty": "is empty",
    "far_empty": "is empty",
    "dollars_as_time": (
        "'$0.50' is an amount of money; a budget in money is cost=\"$0.50\"; $0.50 lasts about 3m4s at $0.163 a minute"
    ),
    "time_as_cost": "'30s' is a time; a budget in time is dg_budget(\"30s\"); 30s costs up to $0.0815 at",
    "negative_cost": "'-0.05' is not an amount of money",
    "nan_cost": "'nan' is not an amount of money",
    "no_cost": "None is not an amount of money",
}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_bad_marker_fails_its_own_test_with_node_id_and_reason_and_spends_nothing(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("options/test_markers.py")
    result = project.run("--dg-budget=5m", workers, env=vendor.environ)
    assert result.status == 1, result.output
    assert "INTERNALERROR" not in result.output
    assert f"1 passed, {len(BAD_MARKERS) + 1} errors" in result.output
    for name, reason in BAD_MARKERS.items():
        said = re.search(rf"test_markers\.py::test_bad\[{name}\]: @pytest\.mark\.dg_budget\(.*", result.output)
        assert said is not None, result.output
        assert reason in said[0]
    assert "test_markers.py::test_bad_without_the_fixture: " in result.output
    assert "its body ran" not in result.output
    assert result.outcomes() == {"test_good": "passed"}
    assert vendor.connections == []


def test_collecting_shows_bad_markers_and_fails(project: Project) -> None:
    project.use("options/test_markers.py")
    result = project.run("--collect-only", "-q")
    assert result.status != 0, result.output
    assert "INTERNALERROR" not in result.output
    for name, reason in BAD_MARKERS.items():
        assert f"test_bad[{name}]: @pytest.mark.dg_budget" in result.output
        assert reason in result.output
    assert not (project.path / ".dgbudget").exists()


def test_a_time_beyond_all_floats_is_a_bad_marker_like_others(project: Project) -> None:
    project.use("options/test_far.py")
    result = project.run()
    assert result.status == 1, result.output
    assert "1 passed, 1 error" in result.output


@pytest.mark.parametrize("marker", ["()", "('replay')", "('emulator', 'live')", "(target='live')", "(['live'])"])
def test_a_target_is_the_emulator_or_live_or_a_bad_marker(pytester: pytest.Pytester, marker: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.dg_target{marker}\ndef test_bad(): pass\n")
    result = pytester.runpytest_inprocess("--dg-reconcile=off")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*is not understood; accepted: dg_target("emulator") or dg_target("live")'])


def test_the_nearest_marker_wins_and_time_and_idle_are_merged(project: Project) -> None:
    project.use("options/test_nearest.py")
    result = project.run("--dg-budget=5m", "--dg-test-budget=5s")
    assert result.status == 0, result.output
    assert set(result.outcomes().values()) == {"passed"}


PROJECT_FILE = """
[[path]]
glob = "smoke/**"
test = ["10s", "$0.02"]
run = "2m"
[[path]]
glob = "**/test_off.py"
test = "off"
[[path]]
glob = "smoke/test_cheap.py"
test = "1s"
[[path]]
glob = "test_cheap.py"
test = "$0.03"
"""
CASES = """
import pytest

def test_none(): pass

@pytest.mark.dg_budget("20s")
def test_time(): pass

@pytest.mark.dg_budget(cost=0.00005, idle="1s")
def test_cost(): pass

@pytest.mark.dg_budget("off", cost="off")
def test_nothing(): pass

@pytest.mark.dg_budget(cost=0)
def test_zero(): pass
"""
ASKED = """
import json
from pathlib import Path
from pytest_dgbudget.plugin.attempts import asked_for
from pytest_dgbudget.plugin.state import STATE

def pytest_collection_finish(session):
    asked = [asked_for(item, session.config.stash[STATE], notify=False) for item in session.items]
    found = {each.nodeid: [each.budget_ms, each.cost_budget_micro_usd, each.idle_ms, each.path] for each in asked}
    Path(session.config.rootpath, "asked.json").write_text(json.dumps(found), encoding="utf-8")
"""


def test_a_tests_own_budget_is_its_markers_else_its_paths_else_the_runs_in_each_currency(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(ASKED)
    (pytester.path / "dgbudget.toml").write_text(PROJECT_FILE, encoding="utf-8")
    for name in ("smoke/test_cheap.py", "test_off.py", "test_cheap.py", "test_else.py"):
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(CASES, encoding="utf-8")
    pytester.runpytest_inprocess("--collect-only", "-q", "--import-mode=importlib")
    asked = json.loads((pytester.path / "asked.json").read_text(encoding="utf-8"))

    def of(file: str) -> list[list[object]]:
        return [asked[f"{file}::test_{name}"] for name in ("none", "time", "cost", "nothing", "zero")]

    smoke = "smoke/**"
    assert of("smoke/test_cheap.py") == [
        [10_000, 20_000, 30_000, smoke],
        [20_000, 20_000, 30_000, smoke],
        [10_000, 50, 1000, smoke],
        [None, None, 30_000, smoke],
        [10_000, 0, 30_000, smoke],
    ]
    assert [budgets[:2] for budgets in of("test_off.py")] == [
        [None, None],
        [20_000, None],
        [None, 50],
        [None, None],
        [None, 0],
    ]
    assert of("test_cheap.py")[0] == [60_000, 30_000, 30_000, "test_cheap.py"]
    assert of("test_else.py")[0] == [60_000, None, 30_000, None]


BAD_LATENCIES = {
    "": "is empty; accepted: ",
    "'1s'": "is not understood; accepted: ",
    "p99='1s'": "is not understood; accepted: ",
    "p95='1 second'": "'1 second' is not a time; accepted: ",
    "p95='-1s'": "'-1s' is not a time",
    "p50=-1": "'-1' is not a time",
    "p50=True": "True is not a time; accepted: ",
    "p50=None": "None is not a time; accepted: ",
    "p50='$1'": "'$1' is not a time",
    "p95=1e400": "'inf' is not a time",
    "p50='2s', p95='1s'": "its p50 is above its p95, so that it would find nothing which p95 doesn't; swap them",
    "turns='5'": "'5' is not a number of turns; accepted: ",
    "turns=2.0": "2.0 is not a number of turns",
    "turns=-1": "-1 is not a number of turns",
    "turns=True": "True is not a number of turns",
    "p95='1s', turns=None": "None is not a number of turns",
}


def test_a_bad_latency_fails_its_own_test_with_node_id_and_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.dg_latency(turns=0)\ndef test_good(): pass\n",
        *(
            f"@pytest.mark.dg_latency({given})\ndef test_bad{number}(): raise AssertionError('its body ran')\n"
            for number, given in enumerate(BAD_LATENCIES)
        ),
    )
    result = pytester.runpytest_inprocess("--dg-reconcile=off")
    result.assert_outcomes(passed=1, errors=len(BAD_LATENCIES))
    output = str(result.stdout)
    assert "its body ran" not in output
    for number, reason in enumerate(BAD_LATENCIES.values()):
        assert re.search(rf"::test_bad{number}: @pytest\.mark\.dg_latency\(.*\).*{re.escape(reason)}", output), output


BAD_CASSETTES = {
    "": "is not understood; accepted: dg_cassette(ignore=[",
    "['Settings/tags']": "is not understood",
    "ignore='Settings/tags'": "is not understood",
    "ignore=[1]": "is not understood",
    "ignore=['Settings/tags'], audio='any', pace='max'": "is not understood",
    "ignore=['tags']": "'tags' is no part of a message; accepted: a message's type and a JSON pointer into it",
    "audio='loud'": "'loud' is not one of exact, length, any",
}


def test_a_bad_cassette_rule_fails_its_own_test_with_node_id_and_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.dg_cassette(audio='any')\ndef test_good(): pass\n",
        *(
            f"@pytest.mark.dg_cassette({given})\ndef test_bad{number}(): raise AssertionError('its body ran')\n"
            for number, given in enumerate(BAD_CASSETTES)
        ),
    )
    result = pytester.runpytest_inprocess("--dg-reconcile=off")
    result.assert_outcomes(passed=1, errors=len(BAD_CASSETTES))
    output = str(result.stdout)
    assert "its body ran" not in output
    for number, reason in enumerate(BAD_CASSETTES.values()):
        assert re.search(rf"::test_bad{number}: @pytest\.mark\.dg_cassette\(.*\).*{re.escape(reason)}", output), output


REPLAYED = """
import pytest

pytestmark = pytest.mark.dg_cassette(ignore=["Settings/tags"], audio="any")

def test_module(): pass

@pytest.mark.dg_cassette(ignore=("Settings/tags", "Settings/agent/think/prompt"))
@pytest.mark.dg_cassette(audio="exact")
def test_nearest(): pass
"""
RULES = """
import json
from pathlib import Path
from pytest_dgbudget.plugin.markers import own_cassette_rules
from pytest_dgbudget.plugin.state import STATE

def pytest_collection_finish(session):
    config = session.config.stash[STATE].run_config
    rules = {item.name: own_cassette_rules(item, config) for item in session.items}
    Path(session.config.rootpath, "rules.json").write_text(json.dumps(rules), encoding="utf-8")
"""


def test_all_that_cassettes_ignore_counts_and_of_audio_the_nearest_rule(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RULES)
    pytester.makeini("[pytest]\ndg_cassette_ignore =\n    InjectUserMessage/content\n")
    pytester.makepyfile(test_replayed=REPLAYED, test_free="def test_free(): pass\n")
    pytester.runpytest_inprocess("--collect-only", "-q")
    assert json.loads((pytester.path / "rules.json").read_text(encoding="utf-8")) == {
        "test_free": [["InjectUserMessage/content"], "length"],
        "test_module": [["InjectUserMessage/content", "Settings/tags"], "any"],
        "test_nearest": [["InjectUserMessage/content", "Settings/tags", "Settings/agent/think/prompt"], "exact"],
    }


LIMITED = """
import pytest

pytestmark = pytest.mark.dg_latency(p50="800ms", p95=2, turns=3)

def test_module(): pass

@pytest.mark.dg_latency(p95="1.5s")
class TestClass:
    def test_class(self): pass

    @pytest.mark.dg_latency(p95="off", turns=0)
    def test_nearest(self): pass

    @pytest.mark.dg_latency(p50="2s", turns=7)
    @pytest.mark.dg_latency(p95="off", turns=0)
    @pytest.mark.parametrize("slow", [pytest.param(1, marks=pytest.mark.dg_latency(turns=5), id="slow")])
    def test_parameter(self, slow): pass
"""
LIMITS = """
import json
from pathlib import Path
from pytest_dgbudget.plugin.markers import own_latency_limits

def pytest_collection_finish(session):
    limits = {item.name: own_latency_limits(item) for item in session.items}
    found = {name: limit and [limit.p50_ms, limit.p95_ms, limit.turns] for name, limit in limits.items()}
    Path(session.config.rootpath, "limits.json").write_text(json.dumps(found), encoding="utf-8")
"""


def test_of_each_limit_of_latency_the_nearest_wins(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(LIMITS)
    pytester.makepyfile(test_limited=LIMITED, test_free="def test_free(): pass\n")
    pytester.runpytest_inprocess("--collect-only", "-q")
    assert json.loads((pytester.path / "limits.json").read_text(encoding="utf-8")) == {
        "test_module": [800, 2000, 3],
        "test_class": [800, 1500, 3],
        "test_nearest": [800, None, 0],
        "test_parameter[slow]": [2000, None, 5],
        "test_free": None,
    }
