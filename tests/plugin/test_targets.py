"""Live or emulator: without a budget nothing is spent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import KEY, Vendor

PLAIN = "def test_plain():\n    pass\n"


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (["--dg-target=live"], {"DEEPGRAM_API_KEY": KEY}, "--dg-budget"),
        (["--dg-target=live", "--dg-budget=5m"], {}, "DEEPGRAM_API_KEY"),
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

    environment = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url}
    settings = resolve(command_line={}, environment=environment, ini={}, rootdir=tmp_path, current_dir=tmp_path)
    assert (settings.target, settings.agent_url) == ("live", url)


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1.example/x", "ws://localhost.example/x", "ws://127.0.0.1@example/x", "ws://0x7f.1/x"]
)
def test_plain_text_to_what_only_looks_like_loopback_is_refused(url: str, tmp_path: Path) -> None:
    from pytest_dgbudget.config.resolve import resolve
    from pytest_dgbudget.errors import SettingsError

    environment = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url}
    with pytest.raises(SettingsError):
        resolve(command_line={}, environment=environment, ini={}, rootdir=tmp_path, current_dir=tmp_path)


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_auto_that_turns_out_live_without_a_budget_fails_only_tests_that_ask_and_exits_4(
    project: Project, workers: str
) -> None:
    project.use("options/test_uses.py")
    project.write("test_plain.py", PLAIN)
    result = project.run(workers, "-rA", env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 4, result.output
    assert "1 passed, 1 error" in result.output
    assert "ERROR test_uses.py::test_uses" in result.output
    assert "add --dg-budget=TIME" in result.output
    assert not (project.path / ".dgbudget").exists(), "nothing was started"


def test_auto_is_the_emulator_without_a_key_and_live_with_one(project: Project, vendor: Vendor) -> None:
    project.use("options/test_uses.py")
    result = project.run("--dg-budget=5m", env={"DG_AGENT_URL": vendor.url})
    assert (result.status, result.usage["run"]["target"], result.usage["run"]["billed"]) == (0, "emulator", False)
    assert vendor.connections == []
    result = project.run("--dg-budget=5m", env=vendor.environ)
    assert (result.status, result.usage["run"]["target"], result.usage["run"]["billed"]) == (0, "live", True)
    assert len(vendor.wait_closed(1)) == 1
