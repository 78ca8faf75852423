"""Live or emulator: without a budget nothing is spent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.plugin.state import STATE
from tests.support import emulator_process
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.variables import NO_VENDOR
from tests.support.vendor import KEY, Vendor

PLAIN = "def test_plain():\n    pass\n"


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (["--dg-target=live"], {"DEEPGRAM_API_KEY": KEY}, "--dg-budget"),
        pytest.param(["--dg-target=live", "--dg-budget=5m"], {}, "DEEPGRAM_API_KEY", marks=pytest.mark.slow),
        pytest.param(
            ["--dg-target=live", "--dg-budget=5m"], {"DEEPGRAM_API_KEY": ""}, "DEEPGRAM_API_KEY", marks=pytest.mark.slow
        ),
        (["--dg-budget=5m"], {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": "ws://agent.example/x"}, "plain text"),
    ],
    ids=["no budget", "no key", "empty key", "plain text URL"],
)
def test_a_live_run_that_can_not_be_is_refused_at_start(
    project: Project, arguments: list[str], env: dict[str, str], said: str
) -> None:
    project.use("options/test_uses.py")
    project.write("test_plain.py", PLAIN)
    result = project.run(*arguments, env=env)
    assert result.status == 4, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert KEY not in result.output
    assert not (project.path / ".dgbudget").exists()


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/x", "ws://127.9.9.9/x", "ws://[::1]:1/x", "ws://localhost/x"])
def test_plain_text_is_fine_on_loopback(url: str, tmp_path: Path) -> None:
    from pytest_dgbudget.config.resolve import resolve

    environment = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url, "DG_BUDGET": "5m"}
    settings = resolve(command_line={}, environment=environment, ini={}, rootdir=tmp_path, current_dir=tmp_path)
    assert (settings.target, settings.agent_url) == ("live", url)


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1.example/x", "ws://localhost.example/x", "ws://127.0.0.1@example/x", "ws://0x7f.1/x"]
)
def test_plain_text_to_what_only_looks_like_loopback_is_refused(url: str, tmp_path: Path) -> None:
    from pytest_dgbudget.config.resolve import resolve
    from pytest_dgbudget.errors import SettingsError

    environment = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url, "DG_BUDGET": "5m"}
    with pytest.raises(SettingsError):
        resolve(command_line={}, environment=environment, ini={}, rootdir=tmp_path, current_dir=tmp_path)


Source = tuple[list[str], list[str], dict[str, str]]  # lines of the ini file, arguments, variables
GIVEN_FOR_THIS_RUN: dict[str, Source] = {
    "command line": ([], ["--dg-budget=5m"], {}),
    "two words": ([], ["--dg-budget", "5m"], {}),
    "DG_BUDGET": ([], [], {"DG_BUDGET": "5m"}),
    "PYTEST_ADDOPTS": ([], [], {"PYTEST_ADDOPTS": "-v '--dg-budget=5m'"}),
    "and stored": (["dg_budget = 5m", "addopts = --dg-budget=5m"], ["--dg-budget=5m"], {}),
}
STORED: dict[str, Source] = {
    "ini": (["dg_budget = 5m"], [], {}),
    "addopts": (["addopts = --dg-budget=5m"], [], {}),
    "-o": ([], ["-o", "dg_budget=5m"], {}),
    "-o addopts": ([], ["-o", "addopts=--dg-budget=5m"], {}),
}


def variants(sources: Mapping[str, Source], *quick: str) -> list[Any]:
    """Return these sources by name; all but the ones that are named are slow."""
    marks = {name: () if name in quick else pytest.mark.slow for name in sources}
    return [pytest.param(source, marks=marks[name], id=name) for name, source in sources.items()]


def run_with(project: Project, source: Source, env: Mapping[str, str]) -> Result:
    ini, arguments, variables = source
    project.write("pytest.ini", "\n".join(["[pytest]", "asyncio_default_fixture_loop_scope = function", *ini]))
    project.use("options/test_uses.py")
    return project.run(*arguments, env={**env, **variables})


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *((source, "live") for source in GIVEN_FOR_THIS_RUN.values()),
        *((source, "emulator") for source in STORED.values()),
        (([], [], {}), "emulator"),
    ],
    ids=[*GIVEN_FOR_THIS_RUN, *STORED, "nowhere"],
)
def test_the_target_is_chosen_by_where_the_budget_was_given(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: Source, target: str
) -> None:
    ini, arguments, variables = source
    for name, value in {"DEEPGRAM_API_KEY": KEY, **NO_VENDOR, **variables}.items():
        monkeypatch.setenv(name, value)
    pytester.makeini("\n".join(["[pytest]", *ini]))
    assert pytester.parseconfigure(*arguments).stash[STATE].run_config.target == target


@pytest.mark.parametrize("source", variants(GIVEN_FOR_THIS_RUN, "command line"))
def test_auto_is_live_with_a_key_and_a_run_budget_given_for_this_run(
    project: Project, vendor: Vendor, source: Source
) -> None:
    result = run_with(project, source, vendor.environ)
    assert (result.status, result.usage["run"]["target"], result.usage["run"]["billed"]) == (0, "live", True)
    assert "live, BILLED by ws://" in result.output
    assert len(vendor.wait_closed(1)) == 1


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
@pytest.mark.parametrize("source", variants(STORED))
def test_a_stored_budget_bounds_a_run_and_turns_nothing_live(
    project: Project, vendor: Vendor, source: Source, workers: str
) -> None:
    ini, arguments, variables = source
    result = run_with(project, (ini, [workers, *arguments], variables), vendor.environ)
    run = result.usage["run"]
    assert (result.status, run["target"], run["billed"], run["budget_seconds"]) == (0, "emulator", False, 300)
    assert "dgbudget: a run budget from the ini file turns nothing live: to go live, add --dg-budget" in result.output
    assert vendor.connections == []


@pytest.mark.slow
@pytest.mark.parametrize("key", ["test", "0" * 40, "F" * 40, KEY[1:], KEY + "0", "g" + KEY[1:]])
def test_a_dummy_turns_nothing_live_and_the_header_says_that_it_is_one(
    project: Project, vendor: Vendor, key: str
) -> None:
    project.use("options/test_uses.py")
    result = project.run("--dg-budget=5m", env={**vendor.environ, "DEEPGRAM_API_KEY": key})
    assert (result.status, result.usage["run"]["target"], vendor.connections) == (0, "emulator", [])
    assert "dgbudget: DEEPGRAM_API_KEY is a dummy" in result.output
    assert key == "test" or key not in result.output


def test_live_by_name_takes_any_key(project: Project, vendor: Vendor) -> None:
    project.use("options/test_uses.py")
    result = project.run(
        "--dg-budget=5m", "--dg-target=live", env={**vendor.environ, "DEEPGRAM_API_KEY": "self-hosted"}
    )
    assert (result.status, result.usage["run"]["target"]) == (0, "live"), result.output
    assert vendor.wait_closed(1)[0].headers["authorization"].endswith("self-hosted")


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_test_of_a_live_run_may_speak_to_the_emulator_and_counts_in_no_figure_of_the_run(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("targets/test_mixed.py")
    env = {**vendor.environ, "EXPECTED": "live"}
    result = project.run(workers, "--dg-budget=60s", "--dg-max-sessions=1", "--dg-reconcile=off", env=env)
    assert result.status == 0, result.output
    usage = result.usage
    assert {test["nodeid"].partition("::")[2]: (test["target"], test["sessions"]) for test in usage["tests"]} == {
        "test_of_the_run": ("live", 1),
        "test_emulated": ("emulator", 2),
        "test_live": ("live", 0),
        "TestNearest::test_emulated_too": ("emulator", 0),
    }
    billed = {session["nodeid"].partition("::")[2]: session["billed"] for session in usage["sessions"]}
    assert billed == {"test_of_the_run": True, "test_emulated": False}
    own = next(test["used_seconds"] for test in usage["tests"] if test["nodeid"].endswith("test_of_the_run"))
    assert (usage["run"]["sessions"], usage["run"]["used_seconds"]) == (1, own)
    assert len(vendor.wait_closed(1)) == 1
    assert "test_emulated (emulator)" in result.output


@pytest.mark.slow
def test_a_test_for_live_runs_is_skipped_in_others(project: Project) -> None:
    project.use("targets/test_mixed.py")
    result = project.run("-rs", env={"EXPECTED": "emulator"})
    assert result.status == 0, result.output
    assert result.outcomes().keys() == {"test_of_the_run", "test_emulated", "test_emulated_too"}
    assert 'dg_target("live"): this run\'s target is the emulator' in result.output
    assert result.usage["run"]["sessions"] == 3


@pytest.mark.parametrize(
    ("key", "arguments", "said"),
    [
        ("test", ["--dg-budget=5m"], "DEEPGRAM_API_KEY is a dummy*"),
        (
            KEY,
            ["-o", "dg_budget=5m"],
            "a run budget from the ini file turns nothing live: to go live, add --dg-budget*",
        ),
    ],
    ids=["dummy", "stored budget"],
)
def test_the_header_says_what_keeps_a_run_with_a_key_from_being_live(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, key: str, arguments: list[str], said: str
) -> None:
    for name, value in {**NO_VENDOR, "DEEPGRAM_API_KEY": key}.items():
        monkeypatch.setenv(name, value)
    pytester.makepyfile("import pytest\n@pytest.mark.dg_target('live')\ndef test_live(): pass\n")
    result = pytester.runpytest_inprocess("-rs", "--dg-reconcile=off", *arguments)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        [
            "dgbudget: emulator, nothing is billed; *",
            f"dgbudget: {said}",
            '*dg_target("live"): this run\'s target is the emulator; *',
        ]
    )


@pytest.mark.slow
def test_an_emulated_test_of_a_live_run_is_cut_by_its_own_budget(project: Project, vendor: Vendor) -> None:
    project.use("targets/test_cut.py")
    result = project.run("--dg-budget=60s", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1, result.output
    assert "test budget of 1s used up" in result.output
    run = result.usage["run"]
    assert (run["verdict"], run["failing"], run["used_seconds"], vendor.connections) == ("overrun", True, 0, [])


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_live_run_can_be_rehearsed_with_an_emulator_of_ones_own(project: Project, workers: str) -> None:
    project.use("options/test_uses.py")
    with emulator_process.process() as emulator:
        where = emulator_process.first_line(emulator)
        env = {
            "DEEPGRAM_API_KEY": where["api_key"],
            "DG_AGENT_URL": where["agent_url"],
            "DG_API_URL": where["api_url"],
            "DG_BUDGET": "5m",
        }
        result = project.run(workers, "--dg-target=live", "--dg-reconcile=require", env=env)
    assert result.status == 0, result.output
    run = result.usage["run"]
    assert (run["target"], run["billed"], run["sessions"]) == ("rehearsal", False, 1)
    assert "rehearsal of a live run by the emulator at ws://127.0.0.1:" in result.output
    assert "1 of 1 session agrees with the emulator's statement" in result.output
    assert "BILLED" not in result.output
    assert where["api_key"] not in result.output


def test_the_header_of_a_rehearsal_says_what_it_is(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "ws://127.0.0.1:1/v1/agent/converse"
    for name, value in {**NO_VENDOR, "DEEPGRAM_API_KEY": "dgemu_1", "DG_AGENT_URL": url}.items():
        monkeypatch.setenv(name, value)
    result = pytester.runpytest_inprocess("--dg-target=live", "--dg-budget=5m", "--dg-reconcile=off")
    result.stdout.fnmatch_lines([f"dgbudget: rehearsal of a live run by the emulator at {url}, nothing is billed; *"])


@pytest.mark.slow
def test_billed_is_in_colour(project: Project, vendor: Vendor) -> None:
    project.write("test_plain.py", PLAIN)
    result = project.run("--dg-budget=5m", "--color=yes", env=vendor.environ)
    assert re.search(r"live, (\x1b\[\d+m)+BILLED\x1b\[0m by", result.output), result.output


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_key_without_a_run_budget_means_the_emulator(project: Project, vendor: Vendor, workers: str) -> None:
    project.use("options/test_uses.py")
    result = project.run(workers, env=vendor.environ)
    assert (result.status, result.usage["run"]["target"], vendor.connections) == (0, "emulator", [])
    assert "emulator, not billed" in result.output
