"""A project that has the plugin installed and doesn't use it notices nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_dgbudget
from pytest_dgbudget.report.rendering import RENDERINGS
from tests.plugin.conftest import asyncio_closes_its_loops
from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import KEY, Vendor

WITHOUT = ("-p", "no:dgbudget")


@pytest.fixture(autouse=True)
def unused(project: Project, bare_start: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DG_AGENT_URL")
    monkeypatch.delenv("DG_API_URL")
    project.use("unused/test_it.py")


def listing(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in path.rglob("*") if "__pycache__" not in each.parts}


def neutral(output: str) -> str:
    """The output without what differs from run to run, and without the line that lists the plugins."""
    output = re.sub(r"^plugins: .*\n", "", output, flags=re.MULTILINE)
    output = re.sub(r"\d+\.\d+s", "TIMEs", output)
    return re.sub(r"=+( .* in TIMEs )=+", r"=\1=", output)


def seen(project: Project) -> dict[str, Any]:
    found = {}
    for path in project.path.glob("seen-*.json"):
        found[path.stem.removeprefix("seen-")] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    return found


@pytest.mark.slow
def test_the_output_is_the_same_as_without_the_plugin(project: Project) -> None:
    quiet, blocked = project.run("-rA", "-v"), project.run("-rA", "-v", *WITHOUT)
    assert neutral(quiet.output) == neutral(blocked.output)
    assert quiet.status == blocked.status == 1


def test_a_key_in_the_environment_changes_nothing(project: Project) -> None:
    with_key = project.run("-rA", "-v", env={"DEEPGRAM_API_KEY": KEY})
    assert neutral(with_key.output) == neutral(project.run("-rA", "-v").output)
    assert with_key.status == 1
    assert KEY not in with_key.output
    assert ".dgbudget" not in listing(project.path)


def test_no_file_process_thread_descriptor_or_variable_is_added(project: Project) -> None:
    project.use("unused/look")
    before = listing(project.path)
    project.run(env={"DEEPGRAM_API_KEY": KEY})
    quiet = seen(project)
    assert listing(project.path) == before
    project.run(*WITHOUT, env={"DEEPGRAM_API_KEY": KEY})
    blocked = seen(project)
    assert quiet.keys() == blocked.keys() == {"alone", "controller"}
    for where in quiet:
        for what in ("descriptors", "threads", "children", "environ"):
            assert quiet[where][what] == blocked[where][what], (where, what)


@pytest.mark.slow
def test_a_strangers_connection_leaves_no_report_no_file_and_no_other_exit_status(project: Project) -> None:
    project.use("unused/test_stranger.py")
    before = listing(project.path)
    result = project.run("-n2", "test_stranger.py", env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 0, result.output
    assert "report:" not in result.output
    assert listing(project.path) == before


def test_what_a_start_without_options_loads_is_all_listed_here(project: Project) -> None:
    project.use("unused/look")
    project.run()
    assert set(seen(project)["alone"]["ours"]) == {
        "pytest_dgbudget",
        "pytest_dgbudget.config",
        "pytest_dgbudget.plugin",
        "pytest_dgbudget.plugin.ending",
        "pytest_dgbudget.plugin.hooks",
        "pytest_dgbudget.plugin.hookspecs",
        "pytest_dgbudget.plugin.loading",
        "pytest_dgbudget.plugin.options",
        "pytest_dgbudget.plugin.state",
    }


def test_a_run_without_sessions_loads_no_record_and_has_nothing_rewritten(project: Project) -> None:
    project.use("unused/loaded", "unused/test_it.py")
    result = project.run("--dg-budget=5m", "--dg-target=emulator", "test_it.py")
    assert "no test asked for a session" in result.output
    loaded = json.loads((project.path / "loaded.json").read_text(encoding="utf-8"))
    assert "pytest_dgbudget.report.unused_run" in loaded
    unneeded = {"pytest_dgbudget.model", "pytest_dgbudget.ledger.sqlite", "pytest_dgbudget.config.toml_text"}
    of_sessions = {
        f"pytest_dgbudget.report.html.{name}" for name in ("timeline", "tests", "tiers", "sessions", "trend")
    }
    assert not (unneeded | of_sessions) & loaded.keys()
    rewritten = {name for name, loader in loaded.items() if loader == "AssertionRewritingHook"}
    assert rewritten <= {"pytest_dgbudget", "pytest_dgbudget.plugin"}


def test_pytest_sees_nothing_of_ours_but_hooks_and_the_fixture(pytester: pytest.Pytester) -> None:
    manager = pytester.parseconfigure().pluginmanager
    ours = {name: plugin for name, plugin in manager.list_name_plugin() if name.startswith("dgbudget")}
    assert set(ours) == {"dgbudget", "dgbudget-quiet-asyncio", "dgbudget-ending", "dgbudget-xdist"}
    for plugin in ours.values():
        hooks = {name for name in dir(type(plugin)) + list(vars(plugin)) if name.startswith("pytest_")}
        assert set(dir(plugin)) - {"voice_agent", "voice_agent_endpoint"} == hooks


def test_without_xdist_no_hook_of_its_is_registered(pytester: pytest.Pytester) -> None:
    manager = pytester.parseconfigure("-p", "no:xdist").pluginmanager
    assert not manager.has_plugin("dgbudget-xdist")
    assert manager.has_plugin("dgbudget-ending")


@pytest.mark.slow
@asyncio_closes_its_loops
def test_under_xdist_the_controller_alone_holds_one_socket_and_one_thread(project: Project) -> None:
    project.use("unused/look")
    before = listing(project.path)
    project.run("-n2")
    quiet = seen(project)
    assert listing(project.path) == before
    project.run("-n2", *WITHOUT)
    blocked = seen(project)
    assert quiet.keys() == blocked.keys()
    for worker in quiet.keys() - {"controller"}:
        for what in ("descriptors", "threads", "children", "environ"):
            assert quiet[worker][what] == blocked[worker][what], (worker, what)
    ours, others = quiet["controller"], blocked["controller"]
    assert ours["descriptors"].count("socket:[N]") == others["descriptors"].count("socket:[N]") + 1
    assert len(ours["descriptors"]) == len(others["descriptors"]) + 1
    assert others["threads"] == ours["threads"]
    assert (ours["children"], ours["environ"]) == (others["children"], others["environ"])


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--collect-only"], marks=pytest.mark.slow),
        pytest.param(["--dg-plan", "-n2"], marks=pytest.mark.slow),
        ["--setup-plan"],
        pytest.param(["--fixtures"], marks=pytest.mark.slow),
        pytest.param(["--markers"], marks=pytest.mark.slow),
        ["--help"],
        ["--collect-only", "-n2"],
    ],
    ids=" ".join,
)
def test_what_only_shows_something_opens_nothing_even_live_without_a_budget(
    project: Project, arguments: list[str]
) -> None:
    uses = "def test_uses(voice_agent):\n    raise AssertionError('its body ran')\n"
    project.write("test_it.py", uses)
    project.use("unused/ends")
    before = listing(project.path)
    result = project.run("--dg-target=live", "-p", "no:rerunfailures", *arguments)
    assert result.status == 0, result.output
    assert "its body ran" not in result.output
    new = listing(project.path) - before - {"at-the-end.txt"}
    assert new == set()
    if (project.path / "at-the-end.txt").exists():
        assert (project.path / "at-the-end.txt").read_text(encoding="utf-8") == "0 children, 0 sockets"


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_an_unused_budget_is_reported_by_the_plugin_without_a_gateway(
    project: Project, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory, workers: str
) -> None:
    summary = tmp_path_factory.mktemp("runner") / "summary"
    summary.touch()
    environment = {**vendor.environ, "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"}
    result = project.run("--dg-budget=5m", "--dg-run-id=unused", workers, env=environment)
    assert result.status == 1, result.output
    usage = result.usage
    jsonschema.validate(usage, schema())
    assert usage["tests"] == usage["sessions"] == []
    run = usage["run"]
    assert (run["id"], run["budget_seconds"], run["used_seconds"], run["sessions"]) == ("unused", 300, 0, 0)
    assert (run["verdict"], run["failing"], run["complete"], run["billed"]) == ("within", False, True, True)
    assert run["finished_at"] >= run["started_at"]
    made = {str(path.relative_to(project.path / ".dgbudget")) for path in (project.path / ".dgbudget").rglob("*")}
    report = {"report", "report/usage.json", *(f"report/{name}" for name in RENDERINGS)}
    assert made == {".gitignore", *report}, "a ledger or a log would be a gateway's"
    assert vendor.connections == []
    assert summary.read_bytes() == (project.path / ".dgbudget/report/usage.md").read_bytes()
    assert "\n::" not in result.output


@pytest.mark.slow
def test_a_report_of_a_run_with_sessions_is_valid_as_well(project: Project, vendor: Vendor) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    with voice_agent.connect(): pass\n")
    jsonschema.validate(project.run("--dg-budget=5m", env=vendor.environ).usage, schema())


def test_a_budget_that_was_not_given_leaves_no_report(project: Project) -> None:
    project.run("--dg-target=emulator")
    assert not (project.path / ".dgbudget").exists()


def schema() -> dict[str, Any]:
    path = Path(pytest_dgbudget.__file__).parent / "report/usage.schema.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
