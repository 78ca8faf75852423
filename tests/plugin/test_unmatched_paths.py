"""A ``[[path]]`` that applies to no test is named, where all tests were collected."""

from __future__ import annotations

import pytest

PATHS = """
[[path]]
glob = "test_a.py"
test = "10s"

[[path]]
glob = "test_*.py"
test = "20s"

[[path]]
glob = "tests/smok/**"
run = "1m"

[[path]]
glob = "test_b.py"  # which the second one applies to
run = "1m"
"""


def named(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """Return the globs that a run in a project of two files names."""
    (pytester.path / "dgbudget.toml").write_text(PATHS, encoding="utf-8")
    pytester.makepyfile(test_a="def test_a(): pass", test_b="def test_b(): pass")
    result = pytester.runpytest_inprocess("--dg-target=emulator", *arguments)
    assert result.ret == 0
    lines = [line for line in result.outlines if "[[path]]" in line]
    assert all(line.startswith("dgbudget: glob = ") for line in lines)
    return [line.split('"')[1] for line in lines]


@pytest.mark.parametrize("arguments", [[], ["-o", "testpaths=."]], ids=["no arguments", "testpaths"])
def test_each_that_applies_to_no_test_is_named(pytester: pytest.Pytester, arguments: list[str]) -> None:
    assert named(pytester, *arguments) == ["tests/smok/**", "test_b.py"]


@pytest.mark.parametrize(
    "argument",
    [
        "test_a.py",
        "-ktest_a",
        "--deselect=test_b.py",
        "--ignore=test_b.py",
        pytest.param("-n1", marks=pytest.mark.slow),
    ],
)
def test_none_is_where_tests_were_selected_or_workers_collect(pytester: pytest.Pytester, argument: str) -> None:
    assert named(pytester, argument) == []
