"""The archive file: whole or not there at all, never in the place of another, and readable without us."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.ledger import archive
from pytest_dgbudget.ledger.archive import FORMAT, ArchiveFailed, new_archive

ROWS: list[tuple[str, dict[str, Any]]] = [
    ("run", {"id": "r", "billed": 1}),
    ("lease", {"id": "l", "ms": None, "scope": "ü"}),
]


def write(folder: Path, name: str = "old") -> Path:
    with new_archive(folder, name) as writer:
        writer.head({"before": "2026-11-01"})
        writer.add(ROWS)
    assert writer.published is not None
    return writer.published


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def test_each_row_is_a_line_between_what_it_is_and_how_much_there_was(tmp_path: Path) -> None:
    assert lines(write(tmp_path / "new" / "folder")) == [
        {"format": FORMAT, "before": "2026-11-01"},
        {"table": "run", "row": {"id": "r", "billed": 1}},
        {"table": "lease", "row": {"id": "l", "ms": None, "scope": "ü"}},
        {"runs": 1, "rows": 2},
    ]


def test_no_archive_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl.gz").write_bytes(b"somebody's")
    assert [write(tmp_path).name, write(tmp_path).name] == ["old-2.jsonl.gz", "old-3.jsonl.gz"]
    assert (tmp_path / "old.jsonl.gz").read_bytes() == b"somebody's"


def test_where_writing_fails_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(LookupError), new_archive(tmp_path, "old") as writer:
        writer.add(ROWS)
        raise LookupError
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_read_as_it_was_written_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_digest_of", lambda path: "another")
    with pytest.raises(ArchiveFailed, match="nothing was removed"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_does_not_take_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.ftruncate(descriptor, 40))
    with pytest.raises(ArchiveFailed, match="nothing was removed"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveFailed, match="nothing was removed; name another folder with --archive-dir"):
        write(tmp_path / "file")


_DIES = """
import os, sys
from pathlib import Path
from pytest_dgbudget.ledger.archive import new_archive
with new_archive(Path(sys.argv[1]), "old") as writer:
    writer.head({})
    os._exit(9)
"""


def test_what_a_writer_left_that_was_killed_the_next_one_removes(tmp_path: Path) -> None:
    with new_archive(tmp_path, "alive") as writer:
        assert subprocess.run([sys.executable, "-c", _DIES, str(tmp_path)], check=False).returncode == 9
        assert len(list(tmp_path.glob(".*.part"))) == 2
        write(tmp_path)
        assert len(list(tmp_path.glob(".*.part"))) == 1, "of the one that writes"
    assert writer.published is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alive.jsonl.gz", "old.jsonl.gz"]
