"""Where artifacts are, whose they are, and which may go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.report.artifact_folders import (
    FOLDER,
    MARKER,
    TestAttempt,
    artifacts_of,
    folder_of,
    marker_of,
    remove_artifacts,
)

NODEIDS = st.text(max_size=300) | st.builds(
    "{}::{}[{}]".format,
    st.sampled_from(["tests/test_a.py", "tests/test-a.py", "Tests/test_a.py"]),
    st.sampled_from(["test_x", "test_X", "Test::test_x"]),
    st.text(max_size=300),
)


def attempt(
    nodeid: str = "t.py::test", *, run: str = "r", number: int = 1, id_: str = "a", worker: str = ""
) -> TestAttempt:
    return TestAttempt(run=run, id=id_, nodeid=nodeid, worker=worker, number=number)


def name(test: TestAttempt) -> str:
    return folder_of(Path("/nowhere"), test).name


def keep(report_dir: Path, test: TestAttempt, *files: str) -> Path:
    """Write files as those of an attempt."""
    folder = folder_of(report_dir, test)
    folder.mkdir(parents=True)
    (folder / MARKER).write_bytes(marker_of(test, files))
    for file in files:
        (folder / file).write_text("", encoding="utf-8")
    return folder


@given(one=NODEIDS, other=NODEIDS)
def test_names_differ_whenever_node_ids_do_also_where_case_is_ignored(one: str, other: str) -> None:
    assert (name(attempt(one)).lower() == name(attempt(other)).lower()) == (one == other)


@given(nodeid=NODEIDS, number=st.integers(1, 10**6))
def test_a_name_is_short_and_safe_on_any_file_system(nodeid: str, number: int) -> None:
    found = name(attempt(nodeid, number=number))
    assert len(found.encode()) <= 255
    assert found.isascii()
    assert found[0].isalnum()
    assert all(character.isalnum() or character in "._-" for character in found)


@pytest.mark.parametrize(
    ("nodeid", "readable"),
    [
        ("tests/voice/test_orders.py::test_status", "test_orders.py_test_status-"),
        ("test_it.py::TestIt::test_x[a/b ü]", "test_it.py_TestIt_test_x_a_b-"),
        ("tests/test_it.py::test_x[größe]", "test_it.py_test_x_gr_e-"),
        ("[]", "test-"),
    ],
)
def test_a_name_can_be_recognised(nodeid: str, readable: str) -> None:
    assert name(attempt(nodeid)).startswith(readable)


def test_attempts_workers_and_nothing_else_have_names_of_their_own() -> None:
    names = [name(attempt()), name(attempt(number=2)), name(attempt(worker="gw0")), name(attempt(worker="gw1"))]
    assert len(set(names)) == len(names)
    assert names[1].endswith("-attempt-2")
    assert name(attempt(run="another", id_="b")) == names[0]


def test_another_attempt_of_the_same_run_takes_nobodys_place(tmp_path: Path) -> None:
    """A later invocation of a run counts its attempts anew."""
    first = keep(tmp_path, attempt(id_="a"), "transcript.txt")
    assert folder_of(tmp_path, attempt(id_="a")) == first
    assert folder_of(tmp_path, attempt(id_="b")) != first
    assert folder_of(tmp_path, attempt(id_="b", run="another")) == first


def test_the_artifacts_of_a_run_are_found_by_attempt(tmp_path: Path) -> None:
    one = keep(tmp_path, attempt("t.py::one", id_="1"), "events.jsonl", "transcript.txt")
    keep(tmp_path, attempt("t.py::other", run="another", id_="2"), "transcript.txt")
    (tmp_path / FOLDER / "theirs").mkdir()
    paths = [f"{FOLDER}/{one.name}/{file}" for file in ("events.jsonl", "transcript.txt")]
    assert artifacts_of(tmp_path, "r") == {"1": paths}
    assert artifacts_of(tmp_path / "missing", "r") == {}


def test_of_earlier_runs_what_we_wrote_goes_and_all_else_stays(tmp_path: Path) -> None:
    kept = keep(tmp_path, attempt("t.py::kept"), "transcript.txt")
    gone = keep(tmp_path, attempt("t.py::gone", run="earlier"), "transcript.txt")
    shared = keep(tmp_path, attempt("t.py::shared", run="earlier"), "transcript.txt")
    (shared / "notes.txt").write_text("mine", encoding="utf-8")
    theirs = tmp_path / FOLDER / "theirs"
    theirs.mkdir()
    (theirs / "transcript.txt").write_text("theirs", encoding="utf-8")
    remove_artifacts(tmp_path, lambda run: run == "r")
    assert (kept / "transcript.txt").exists()
    assert not gone.exists()
    assert [path.name for path in shared.iterdir()] == ["notes.txt"]
    assert (theirs / "transcript.txt").exists()


def test_where_nothing_is_left_the_folder_goes_too(tmp_path: Path) -> None:
    keep(tmp_path, attempt(run="earlier"), "transcript.txt")
    remove_artifacts(tmp_path, lambda run: False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [["../precious"], ["/precious"], "precious", [1], None])
def test_a_marker_that_is_not_ours_removes_nothing_elsewhere(tmp_path: Path, names: object) -> None:
    folder = tmp_path / FOLDER / "test"
    folder.mkdir(parents=True)
    (tmp_path / FOLDER / "precious").write_text("", encoding="utf-8")
    (folder / MARKER).write_text(json.dumps({"run": "earlier", "attempt": "a", "files": names}), encoding="utf-8")
    remove_artifacts(tmp_path, lambda run: False)
    assert (tmp_path / FOLDER / "precious").exists()


def test_a_link_in_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = keep(tmp_path / "elsewhere", attempt(run="earlier"), "transcript.txt")
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "test").symlink_to(elsewhere)
    remove_artifacts(tmp_path, lambda run: False)
    assert (elsewhere / "transcript.txt").exists()
