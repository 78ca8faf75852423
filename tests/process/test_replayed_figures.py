"""What a run that replays shows: nothing used, what was saved, and cassettes that are too old."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_dgbudget.cassette.store import read_facts
from pytest_dgbudget.cassette.writing import RECORDING_FILE
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.units import seconds, usd
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.rehearsal import Rehearsal, rehearsal

TEST = "test_says.py::test_says"
OLD = write_instant(datetime.now(timezone.utc) - timedelta(days=100))


@pytest.fixture(scope="module")
def vendor() -> Iterator[Rehearsal]:
    with rehearsal("--pace", "max") as running:
        yield running


@pytest.fixture(scope="module")
def recorded(vendor: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cassettes of a test that says one thing; they were recorded a hundred days ago."""
    project = Project(tmp_path_factory.mktemp("recorded"))
    project.use("cassettes/test_says.py")
    result = project.run("--dg-record=once", "--dg-reconcile=off", env={**vendor.environ, "SAID": "hello"})
    assert result.status == 0, result.output
    (facts,) = project.path.glob(f"cassettes/*/1/{RECORDING_FILE}")
    text = facts.read_text(encoding="utf-8")
    facts.write_text(text.replace(json.loads(text)["recorded_at"], OLD), encoding="utf-8")
    return project.path / "cassettes"


@pytest.fixture
def kept(project: Project, recorded: Path) -> Path:
    """The project's cassette: its folder, relative to the project."""
    project.use("cassettes/test_says.py")
    shutil.copytree(recorded, project.path / "cassettes")
    (folder,) = (project.path / "cassettes").glob("*/1")
    return folder.relative_to(project.path)


def replay(project: Project, *arguments: str, said: str = "hello") -> Result:
    replaying = ("--dg-target=replay", "--dg-pace=max", "--junitxml=junit.xml")
    return project.run(*replaying, *arguments, env={"SAID": said})


def document(project: Project) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((project.path / ".dgbudget/report/usage.json").read_text(encoding="utf-8"))
    return made


def properties(project: Project, of: str) -> dict[str, str]:
    """Return the properties of the only testcase, or of its testsuite."""
    suite = ElementTree.parse(project.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    element = suite if of == "testsuite" else suite.find("testcase")
    assert element is not None
    return {each.get("name", ""): each.get("value", "") for each in element.iterfind("properties/property")}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_i11_a_replay_uses_nothing_and_report_and_junit_say_what_it_saved(
    project: Project, kept: Path, workers: str
) -> None:
    facts = read_facts(project.path / kept)
    result = replay(project, workers)
    assert result.status == 0, result.output
    made = document(project)
    run, (test,), (session,) = made["run"], made["tests"], made["sessions"]
    for figures in (run, test):
        assert (figures["target"], figures["used_seconds"]) == ("replay", 0)
        assert (figures["sessions"], figures["replayed"]) == (1, 1)
        assert figures["saved_seconds"] == pytest.approx(seconds(facts.ms), abs=0.1)
        assert figures["saved_usd"] == pytest.approx(usd(facts.micro_usd or 0), abs=0.0003)
    assert session["replay"] == {
        "cassette": kept.as_posix(),
        "result": "hit",
        "recorded_at": OLD,
        "mismatch": None,
        "saved_seconds": run["saved_seconds"],
        "saved_usd": run["saved_usd"],
    }
    assert (made["regression"], made["history"]) == (None, [])
    known = {"dgbudget.replayed": "1", "dgbudget.saved_seconds": f"{run['saved_seconds']:.3f}"}
    for of in ("testcase", "testsuite"):
        found = properties(project, of)
        assert {**known, "dgbudget.seconds": "0.000", "dgbudget.sessions": "1"}.items() <= found.items()
    header = "dgbudget: replay at pace max, nothing is billed; cassettes in cassettes/ beside each test file;"
    assert header in result.output
    line = r"^replayed 1 session from cassettes, not billed: saved [0-9.]+m?s and \$0\.0"
    assert re.search(line, result.output, re.MULTILINE)
    assert "  nothing was billed, so there is nothing to compare" in result.output


@pytest.mark.slow
def test_i11_a_session_that_a_live_run_replays_counts_in_none_of_its_figures(
    project: Project, kept: Path, vendor: Rehearsal
) -> None:
    arguments = ("--dg-record=once", "--dg-reconcile=off", "--junitxml=junit.xml")
    result = project.run(*arguments, env={**vendor.environ, "SAID": "hello,something new"})
    assert result.status == 0, result.output
    made = document(project)
    played, dialled = made["sessions"]
    assert (played["target"], played["replay"]["result"]) == ("replay", "hit")
    assert (dialled["target"], dialled["replay"]["result"]) == ("rehearsal", "recorded")
    for figures in (made["run"], *made["tests"]):
        assert (figures["sessions"], figures["turns"], figures["replayed"]) == (1, 1, 1)
        assert figures["used_seconds"] == pytest.approx(dialled["seconds"], abs=0.1)
        assert figures["saved_seconds"] == played["replay"]["saved_seconds"] > 0
    for of in ("testcase", "testsuite"):
        known = properties(project, of)
        assert (known["dgbudget.sessions"], known["dgbudget.turns"], known["dgbudget.replayed"]) == ("1", "1", "1")
    assert properties(project, "testcase")["dgbudget.request_ids"] == dialled["request_id"]


def test_a_mismatch_is_in_the_report_of_its_run(project: Project, kept: Path) -> None:
    result = replay(project, said="something else")
    assert result.status == 1, result.output
    (session,) = document(project)["sessions"]
    assert session["replay"]["result"] == "miss"
    assert session["replay"]["mismatch"]["differences"]
    assert "1 session did not match its cassette" in result.output


@pytest.mark.slow
def test_an_old_cassette_is_named_at_the_end_of_the_run(project: Project, kept: Path) -> None:
    said = f"1 cassette is older than 90d (dg_cassette_max_age): {kept.as_posix()} (100d)"
    result = replay(project, "-o", "dg_cassette_max_age=90d")
    assert result.status == 0, result.output
    assert said in result.output
    assert any(notice.startswith(said) for notice in document(project)["notices"])


def test_an_old_cassette_fails_its_test_in_its_call_where_that_is_said(project: Project, kept: Path) -> None:
    result = replay(project, "-o", "dg_cassette_max_age=90d fail")
    assert result.status == 1, result.output
    assert f"FAILED {TEST} - pytest_dgbudget.CassetteTooOld: 1 cassette" in result.output
    assert "1 failed" in result.output
    assert " error" not in result.output
