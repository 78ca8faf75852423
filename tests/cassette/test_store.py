"""Cassettes are written and read back, each test's in a folder of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_dgbudget.cassette.store import cassettes_in, read_cassette, read_facts, write_cassettes
from tests.support.cassettes import cassette


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = cassette(tmp_path / "recordings")
    first, second = write_cassettes(tmp_path / "cassettes" / "test", [made, made])
    assert read_cassette(first) == replace(made, folder=first)
    assert cassettes_in(tmp_path / "cassettes" / "test") == [replace(made, folder=first), replace(made, folder=second)]
    assert read_facts(second) == made.facts
