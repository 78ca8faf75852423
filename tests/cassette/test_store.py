"""Cassettes are written and read back, each test's in a folder of its own, which is replaced as a whole."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import tests
from pytest_dgbudget.cassette import store
from pytest_dgbudget.cassette.store import (
    FILE_NAMES,
    add_cassettes,
    cassettes_in,
    folder_of_test,
    read_cassette,
    read_facts,
    write_cassettes,
)
from pytest_dgbudget.errors import CassetteError, CassetteRefused
from tests.support.cassettes import cassette


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = cassette(tmp_path / "recordings")
    first, second = write_cassettes(tmp_path / "cassettes" / "test", [made, made])
    assert read_cassette(first) == replace(made, folder=first)
    assert cassettes_in(tmp_path / "cassettes" / "test") == [replace(made, folder=first), replace(made, folder=second)]
    assert read_facts(second) == made.facts


def test_a_test_has_what_was_written_last_and_nothing_else(tmp_path: Path) -> None:
    made = cassette(tmp_path / "recordings")
    write_cassettes(tmp_path / "test", [made] * 11)
    assert [each.folder.name for each in cassettes_in(tmp_path / "test")] == [str(number) for number in range(1, 12)]
    (only,) = write_cassettes(tmp_path / "test", [made])
    assert [each.folder for each in cassettes_in(tmp_path / "test")] == [only]


def test_what_is_added_comes_behind_and_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    made = cassette(tmp_path / "recordings")
    first, second = write_cassettes(tmp_path / "test", [made, made])
    edited = (first / "session.jsonl").read_text().replace("posted", "lost")
    (first / "session.jsonl").write_text(edited)
    first.rename(tmp_path / "test" / "7")
    (added,) = add_cassettes(tmp_path / "test", [made])
    assert [each.folder.name for each in cassettes_in(tmp_path / "test")] == ["2", "7", "8"]
    assert added == tmp_path / "test" / "8"
    assert (tmp_path / "test" / "7" / "session.jsonl").read_text() == edited
    assert read_cassette(second) == replace(made, folder=second)
    assert add_cassettes(tmp_path / "new", [made]) == [tmp_path / "new" / "1"]


def test_what_is_refused_is_named_by_the_number_that_its_folder_would_have(tmp_path: Path) -> None:
    folder, made = tmp_path / "test", cassette(tmp_path / "recordings")
    store.write_cassettes(folder, [made, made])
    with pytest.raises(CassetteRefused, match="of session 3 "):
        store.add_cassettes(folder, [made], scrub=lambda text: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b")


def test_its_files_are_ordinary_ones(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        (folder,) = write_cassettes(tmp_path / "test", [cassette(tmp_path / "recordings")])
    finally:
        os.umask(before)
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "session.jsonl": 0o644,
        "recording.json": 0o644,
        "user.flac": 0o644,
        "agent.flac": 0o644,
    }
    assert folder.stat().st_mode & 0o777 == 0o755
    assert all(FILE_NAMES.fullmatch(file.name) for file in folder.iterdir())


def test_written_again_it_has_the_same_bytes(tmp_path: Path) -> None:
    (one,) = write_cassettes(tmp_path / "one", [cassette(tmp_path / "recordings")])
    (other,) = write_cassettes(tmp_path / "other", cassettes_in(tmp_path / "one"))
    assert {file.name: file.read_bytes() for file in one.iterdir()} == {
        file.name: file.read_bytes() for file in other.iterdir()
    }


def test_a_test_has_the_same_folder_each_time_and_another_one_than_others(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "test_a.py"
    ids = ["deep/test_a.py::test_x[1]", "deep/test_a.py::test_x[2]", "deep/test_a.py::test_x[" + "é" * 300 + "]"]
    beside = [folder_of_test(None, file, nodeid) for nodeid in ids]
    assert len(set(beside)) == len(ids)
    assert {each.parent for each in beside} == {tmp_path / "deep" / "cassettes"}
    assert beside[0].name.startswith("test_a.py_test_x_1")
    assert beside[0].name == "test_a.py_test_x_1-cc506bb358"
    # Where pytest's root is does not matter there; in one folder for all it tells files apart.
    assert folder_of_test(None, file, "test_a.py::test_x[1]") == beside[0]
    elsewhere = {folder_of_test(tmp_path / "all", file, nodeid) for nodeid in (*ids, "test_a.py::test_x[1]")}
    assert len(elsewhere) == 4
    assert {each.parent for each in elsewhere} == {tmp_path / "all"}


def test_a_test_without_cassettes_has_none(tmp_path: Path) -> None:
    assert cassettes_in(tmp_path / "nowhere" / "test") == []
    with pytest.raises(CassetteError, match="nowhere/test/1: there is no cassette"):
        read_cassette(tmp_path / "nowhere" / "test" / "1")
    (tmp_path / "test").mkdir()
    assert cassettes_in(tmp_path / "test") == []
    with pytest.raises(CassetteError, match="test/1"):
        read_facts(tmp_path / "test" / "1")


def test_one_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cassette(tmp_path / "recordings")
    listed, times = store._Folder.names, count()

    def written_meanwhile(folder: Any) -> list[str]:
        if next(times) < 3:
            write_cassettes(tmp_path / "test", [made, made])
        return listed(folder)  # of what is removed by now

    write_cassettes(tmp_path / "test", [made])
    monkeypatch.setattr(store._Folder, "names", written_meanwhile)
    assert len(cassettes_in(tmp_path / "test")) == 2


def writers(how: str, folder: Path) -> Any:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.cassette_writers", how, str(folder)],
        cwd=Path(tests.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("how", ["kills", "at-once"])
def test_whoever_reads_sees_the_old_ones_or_the_new_ones_and_nothing_is_left(how: str, tmp_path: Path) -> None:
    said = writers(how, tmp_path)
    assert set(said["read"]) == {"old", "new"}
    assert said["left"] == ["test"]


def test_where_files_can_not_be_locked_they_are_written_and_nobody_else_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    made = cassette(tmp_path / "recordings")
    others = tmp_path / "cassettes" / f".test.new-{'0' * 32}"
    others.mkdir(parents=True)
    for _ in range(2):
        write_cassettes(tmp_path / "cassettes" / "test", [made])
    assert sorted(each.name for each in (tmp_path / "cassettes").iterdir()) == [others.name, "test"]


def test_a_child_that_is_forked_while_it_is_written_keeps_nobody_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cassette(tmp_path / "recordings")
    copies = []

    def forked_meanwhile(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            copies.append(os.dup(descriptor))
        locked(descriptor, operation)

    locked = fcntl.flock
    monkeypatch.setattr("fcntl.flock", forked_meanwhile)
    for _ in range(2):  # the second one would wait for ever
        write_cassettes(tmp_path / "cassettes" / "test", [made])
    assert len(copies) == 2
    for copy in copies:
        os.close(copy)


def test_a_disk_that_is_full_leaves_what_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cassette(tmp_path / "recordings")
    of_test = tmp_path / "cassettes" / "test"
    write_cassettes(of_test, [made])
    written = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "agent.flac":
            written(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    for write in (write_cassettes, add_cassettes):
        with pytest.raises(OSError, match="No space left"):
            write(of_test, [made, made])
    assert len(cassettes_in(of_test)) == 1
    assert [each.name for each in of_test.parent.iterdir()] == ["test"]


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")  # but that to where they all are
    elsewhere = tmp_path / "link" / "elsewhere"
    (session,) = write_cassettes(elsewhere, [cassette(tmp_path / "recordings")])
    (tmp_path / "test").symlink_to(elsewhere)
    with pytest.raises(CassetteError, match="test: "):
        cassettes_in(tmp_path / "test")
    with pytest.raises(OSError, match="test"):
        write_cassettes(tmp_path / "test", [])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1").symlink_to(session)
    with pytest.raises(CassetteError, match="other/1: "):
        cassettes_in(tmp_path / "other")
    secret = tmp_path / "secret"
    secret.write_text("{}")
    (session / "session.jsonl").unlink()
    (session / "session.jsonl").symlink_to(secret)
    with pytest.raises(CassetteError, match=r"session\.jsonl: "):
        cassettes_in(elsewhere)
    assert read_facts(session)
