"""action.yml: its steps run as they stand, on the emulator, as for a pull request from a fork."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.ci_jobs import PATH
from tests.support.composite_action import ACTION, ROOT, run_action
from tests.support.project import PROJECTS
from tests.support.workflows import parsed

STEPS = ACTION["runs"]["steps"]
SHELL = [step for step in STEPS if "run" in step]
HOSTILE = ["$(touch made)", "`touch made`", "'; touch made; '", '"; touch made; "', "${{ touch made }}", "*\\"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """What a job has checked out."""
    folder = tmp_path / "work space"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\ndg_pace = 'max'\n", encoding="utf-8")
    return folder


def use(*names: str, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(PROJECTS / "ci" / name, to)


# What it says of itself -----------------------------------------------------------------------------------------------


def test_no_input_stands_in_a_shell_script() -> None:
    """What is given as an input would be run there."""
    assert [step["name"] for step in SHELL if "${{" in step["run"]] == []


def test_each_input_is_used_and_has_a_description() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text(encoding="utf-8")))
    assert used == set(ACTION["inputs"])
    assert all(each["description"] for each in [*ACTION["inputs"].values(), *ACTION["outputs"].values()])


def test_each_step_of_ours_names_its_shell_and_no_key() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert {step["shell"] for step in SHELL} == {"bash"}
    assert not [name for name in ACTION["inputs"] if "key" in name]


def test_the_summary_is_left_to_the_plugin() -> None:
    assert not [step["name"] for step in SHELL if "SUMMARY" in step["run"]]


def test_the_page_names_each_input_and_output() -> None:
    page, _, _ = (ROOT / "docs/ci-action.md").read_text(encoding="utf-8").partition("\n## GitLab\n")
    named = set(re.findall(r"^\| `([\w-]+)`", page, re.MULTILINE))
    assert named == {*ACTION["inputs"], *ACTION["outputs"]}
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (step,) = [step for step in parsed(example)["jobs"]["voice"]["steps"] if "pytest-dgbudget" in step.get("uses", "")]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert set(step["env"]) == {"DEEPGRAM_API_KEY"}


def test_other_readers_of_yaml_read_the_same() -> None:
    yaml = pytest.importorskip("yaml")
    for name in ("action.yml", "templates/dgbudget.yml"):
        for part in (ROOT / name).read_text(encoding="utf-8").split("\n---\n"):
            assert yaml.safe_load(part) == parsed(part)


@pytest.mark.parametrize("step", SHELL, ids=lambda step: step["name"])
def test_shellcheck_finds_nothing(step: dict[str, str]) -> None:
    shellcheck = shutil.which("shellcheck", path=PATH) or pytest.skip("shellcheck is not installed")
    done = subprocess.run(
        [shellcheck, "--shell=bash", "-"], input=step["run"], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    actionlint = shutil.which("actionlint", path=PATH) or pytest.skip("actionlint is not installed")
    shutil.copy(ROOT / "action.yml", tmp_path)
    workflow = tmp_path / ".github/workflows/voice.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(
        "on: push\njobs:\n  voice:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: ./\n"
        "        with:\n          budget: 10m\n",
        encoding="utf-8",
    )
    (tmp_path / ".git").mkdir()
    done = subprocess.run(
        [actionlint, str(workflow)], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


# What it does ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_within_its_budget_says_so(workspace: Path) -> None:
    use("test_within.py", to=workspace)
    done = run_action(workspace, {"budget": "10m"})
    assert done.status == 0, done.output
    assert "dgbudget: emulator at pace max, nothing is billed; run budget 10m" in done.output
    report = json.loads(Path(done.outputs["report"]).read_text(encoding="utf-8"))
    assert report["run"]["id"] == "77-2-voice-1"
    used, cost = float(done.outputs["used-seconds"]), float(done.outputs["cost-usd"])
    assert (done.outputs["verdict"], used) == ("within", report["run"]["used_seconds"])
    assert done.summary == Path(done.outputs["report"]).with_name("usage.md").read_text(encoding="utf-8")
    assert cost == pytest.approx(report["run"]["cost_usd"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("test", "verdict"), [("test_failing.py", "within"), ("test_overrun.py", "overrun")])
def test_a_run_that_fails_keeps_its_status_and_its_report(workspace: Path, test: str, verdict: str) -> None:
    use(test, to=workspace)
    done = run_action(workspace, {"budget": "10m", "artifact": "mine"})
    assert (done.status, done.outputs["verdict"]) == (1, verdict), done.output
    (upload,) = done.uploads
    report, junit, logs = (Path(line) for line in upload["path"].splitlines())
    assert logs.parent == workspace / ".dgbudget"
    assert (upload["name"], upload["include-hidden-files"]) == ("mine", "True")
    kept = {file.name for file in report.iterdir()}
    assert kept > {"usage.json", "usage.md", "usage.html", "usage.css", "metrics.txt"}
    assert ElementTree.parse(junit).getroot().find(".//failure") is not None


@pytest.mark.slow
def test_a_run_elsewhere_with_a_python_of_its_own(workspace: Path) -> None:
    """The project in a folder, its Python a command of several words, arguments with quotes, a report outside."""
    use("test_within.py", "test_failing.py", "test_overrun.py", to=workspace / "voice")
    inputs = {
        "working-directory": "voice",
        "python": "env IN_VENV=1 python",
        "pytest-args": """-k 'within or such' --verbose\n-p no:cacheprovider""",
        "report-dir": "../reports",
        "junit": "../reports/voice.xml",
        "run-id": "mine",
    }
    done = run_action(workspace, inputs, DG_RUN_ID="not mine")
    assert done.status == 0, done.output
    assert "1 passed, 2 deselected" in done.output
    assert Path(done.outputs["report"]).samefile(workspace / "reports/usage.json")
    assert (workspace / "reports/voice.xml").is_file()


@pytest.mark.slow
def test_without_a_report_there_are_no_figures_and_the_status_is_that_of_pytest(workspace: Path) -> None:
    """A usage error. What an earlier run left in the same place is not taken for its report."""
    use("test_within.py", to=workspace)
    assert run_action(workspace, {"run-id": "earlier", "target": "emulator"}).outputs["verdict"] == "within"
    done = run_action(workspace, {"budget": "ten minutes"})
    assert (done.status, set(done.outputs.values())) == (4, {""}), done.output
    assert "ten minutes" in done.output
    assert len(done.uploads) == 1


@pytest.mark.slow
def test_without_a_session_and_a_budget_there_are_no_figures(workspace: Path) -> None:
    use("test_without_session.py", to=workspace)
    done = run_action(workspace, {})
    assert (done.status, set(done.outputs.values()), done.summary) == (0, {""}, ""), done.output
    (upload,) = done.uploads
    assert (workspace / "junit.xml").samefile(upload["path"].splitlines()[1])


@pytest.mark.slow
def test_a_second_call_in_a_job_goes_on_with_the_run_of_the_first(workspace: Path) -> None:
    use("test_within.py", to=workspace)
    first, second = (run_action(workspace, {"budget": "10m"}) for _ in range(2))
    assert (first.status, second.status) == (0, 0), first.output + second.output
    assert float(second.outputs["used-seconds"]) > float(first.outputs["used-seconds"])
    report = json.loads(Path(second.outputs["report"]).read_text(encoding="utf-8"))
    assert (report["run"]["id"], report["run"]["sessions"]) == ("77-2-voice-1", 2)


@pytest.mark.slow
@pytest.mark.parametrize("value", HOSTILE)
def test_what_an_input_says_is_never_run(workspace: Path, value: str) -> None:
    """All of them say it, and then the Python alone, which comes first."""
    given = dict.fromkeys(set(ACTION["inputs"]) - {"python", "working-directory"}, value)
    assert run_action(workspace, given).status != 0
    assert run_action(workspace, {"python": value}).status != 0
    assert not list(workspace.parent.rglob("made"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report-dir", "junit", "run-id"])
def test_a_line_break_makes_no_output_and_no_upload_of_its_own(workspace: Path, name: str) -> None:
    done = run_action(workspace, {name: "a\nverdict=within\n/etc"})
    assert (done.status, done.uploads, set(done.outputs.values())) == (1, [], {""})
    assert f"::error::The input {name} has a line break; write it in one line." in done.output


@pytest.mark.slow
def test_a_quote_that_is_left_open_is_named(workspace: Path) -> None:
    done = run_action(workspace, {"pytest-args": "-k 'half"})
    assert done.status == 1
    assert "::error::The input pytest-args is not quoted as in a shell (No closing quotation)." in done.output


@pytest.mark.slow
def test_a_project_without_the_plugin_gets_that_of_the_action(workspace: Path) -> None:
    """The Python is a stand-in that says what it is asked for, and lacks the plugin."""
    python = workspace / "python"
    python.write_text('#!/bin/sh\necho "asked for $*"\n[ "$2" != "import pytest_dgbudget" ]\n', encoding="utf-8")
    python.chmod(0o755)
    done = run_action(workspace, {"python": "./python"})
    assert f"asked for -m pip install {ROOT}\n" in done.output
