"""The projects of tests/projects are all in use."""

from __future__ import annotations

from pathlib import Path

from pytest_dgbudget.drill.drills import DRILLS
from tests.support.project import PROJECTS

TESTS = Path(__file__).parent


def test_each_file_of_a_project_is_used_by_a_test() -> None:
    users = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py") if PROJECTS not in path.parents)
    files = [path for path in PROJECTS.rglob("*.*") if path.suffix != ".pyc" and path.name != "__init__.py"]
    assert files
    assert [file for file in files if not _is_named(file, users)] == []


def test_each_test_of_the_drills_is_in_the_failure_matrix_too() -> None:
    matrix = "\n".join(path.read_text(encoding="utf-8") for path in (TESTS / "process").glob("*.py"))
    assert [drill.project for drill in DRILLS if f'"{drill.project}"' not in matrix] == []


def _is_named(file: Path, users: str) -> bool:
    """Whether it is named with its folder, by itself or by its folder alone."""
    folder = file.parent.relative_to(PROJECTS).as_posix()
    return any(f'{name}"' in users for name in (f"{folder}/{file.name}", f'"{file.name}', f'"{folder}'))
