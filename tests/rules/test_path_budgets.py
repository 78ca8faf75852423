"""Which path budget applies to a file."""

from __future__ import annotations

import pytest

from pytest_dgbudget.model import PathBudget
from pytest_dgbudget.rules.path_budgets import path_of


def glob_of(file: str, *globs: str) -> str | None:
    found = path_of(file, [PathBudget(glob=glob, test_ms=1) for glob in globs])
    return None if found is None else found.glob


@pytest.mark.parametrize(
    ("glob", "files"),
    [
        ("tests/smoke/**", ["tests/smoke/test_a.py", "tests/smoke/a/b/test_a.py"]),
        ("**/test_a.py", ["test_a.py", "tests/test_a.py", "tests/b/test_a.py"]),
        ("tests/**/test_a.py", ["tests/test_a.py", "tests/b/c/test_a.py"]),
        ("**", ["test_a.py", "a/b/test_a.py"]),
        ("tests/*.py", ["tests/test_a.py"]),
        ("tests/test_[ab].py", ["tests/test_a.py", "tests/test_b.py"]),
        ("tests/test_?.py", ["tests/test_a.py"]),
        ("a/**/b/**/c.py", ["a/b/c.py", "a/x/b/y/z/c.py", "a/b/b/c.py"]),
    ],
)
def test_a_glob_matches_whole_paths_and_two_stars_any_folders(glob: str, files: list[str]) -> None:
    assert [glob_of(file, glob) for file in files] == [glob] * len(files)


@pytest.mark.parametrize(
    ("glob", "file"),
    [
        ("tests/*.py", "tests/a/test_a.py"),
        ("tests/smoke/**", "tests/smoke_test.py"),
        ("tests/smoke/**", "more/tests/smoke/test_a.py"),
        ("smoke/*", "smoke"),
        ("test_a.py", "tests/test_a.py"),
        ("tests/Test_a.py", "tests/test_a.py"),
        ("a/**/b.py", "a/b.pyc"),
    ],
)
def test_nothing_else_matches(glob: str, file: str) -> None:
    assert glob_of(file, glob) is None


def test_the_first_that_matches_wins() -> None:
    assert glob_of("tests/smoke/test_a.py", "tests/other/**", "tests/**", "tests/smoke/**") == "tests/**"
    assert glob_of("tests/smoke/test_a.py") is None
