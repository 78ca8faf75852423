"""The files that are made of usage.json: by pure functions, beside it, and never in its way."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pytest_dgbudget.report import rendering
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.merging import merge
from pytest_dgbudget.report.rendering import RENDERINGS, rendered
from pytest_dgbudget.report.usage_file import EARLIER_FILE_NAME, FILE_NAME, set_earlier_aside, write_files, write_usage
from tests.support import pages
from tests.support.hostile import ANY_TEXT, hostile_report
from tests.support.rebuilt import rebuilt_elsewhere
from tests.support.shards import report, shards

PAGE = Path(__file__).parent.parent.parent / "docs" / "report.md"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_they_are_those_that_the_page_of_the_report_names() -> None:
    assert RENDERINGS.keys() == {"usage.md", "usage.html", "usage.css", "metrics.txt"}
    cells = re.findall(r"^\| (`(?:usage|metrics)\..*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for cell in cells for name in re.findall("`(.+?)`", cell)} == RENDERINGS.keys()


# Pure functions of the document


def assert_made_anew(document: UsageDocument) -> None:
    before = copy.deepcopy(document)
    for name in RENDERINGS:
        text = rendered(name, document)
        assert rendered(name, json.loads(json.dumps(document))) == text == rendered(name, document)
        text.encode()
    assert document == before


@given(shards())
def test_each_is_the_same_from_usage_json_as_it_is_read_back(documents: list[UsageDocument]) -> None:
    assert_made_anew(documents[0])
    assert_made_anew(merge([(str(number), each) for number, each in enumerate(documents)]))


@given(ANY_TEXT)
def test_so_it_is_whatever_others_words_are(text: str) -> None:
    assert_made_anew(hostile_report(text))


@pytest.mark.parametrize(
    "made", [pages.overrun, pages.merged, lambda: hostile_report("\ud800 <b>")], ids=["overrun", "merged", "hostile"]
)
def test_another_process_makes_the_same_bytes_of_the_file(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, made: Callable[[], UsageDocument]
) -> None:
    rebuilt = tmp_path_factory.mktemp("rebuilt")
    path, notices = write_files(made(), tmp_path)
    assert notices == []
    rebuilt_elsewhere(path, rebuilt)
    for name in RENDERINGS:
        assert (rebuilt / name).read_bytes() == (tmp_path / name).read_bytes()


# On disk


def test_all_are_written_whole_and_readable_by_all(tmp_path: Path) -> None:
    document = report("run", "a")
    written = write_files(document, tmp_path / "new")
    assert written == (tmp_path / "new" / FILE_NAME, [])
    assert names_in(tmp_path / "new") == {FILE_NAME, *RENDERINGS}
    for name in RENDERINGS:
        path = tmp_path / "new" / name
        assert path.read_bytes() == rendered(name, document).encode()
        assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [ValueError("no"), RecursionError(), OSError(28, "No space left on device")])
def test_one_that_fails_is_a_notice_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(document: UsageDocument) -> str:
        raise error

    write_files(report("run"), tmp_path)
    actual = rendering._renderer
    monkeypatch.setattr(rendering, "_renderer", lambda name: fail if name == "usage.md" else actual(name))
    path, notices = write_files(report("run", "a"), tmp_path)
    assert len(json.loads(path.read_bytes())["tests"]) == 1
    (notice,) = notices
    assert notice.startswith(f"usage.md could not be written ({type(error).__name__}")
    assert names_in(tmp_path) == {FILE_NAME, *RENDERINGS} - {"usage.md"}, "what was there is of an earlier report"


def test_one_that_can_not_be_written_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "usage.md").mkdir()
    (tmp_path / "usage.md" / "file").touch()
    path, notices = write_files(report("run", "a"), tmp_path)
    assert path.is_file()
    assert len(notices) == 1
    assert names_in(tmp_path) == {FILE_NAME, *RENDERINGS}


def test_without_usage_json_there_is_none_of_them(tmp_path: Path) -> None:
    unwritable: Any = {**report("run"), "reconciliation": {"z": object()}}
    with pytest.raises(TypeError):
        write_files(unwritable, tmp_path)
    assert names_in(tmp_path) == set()


def test_those_of_another_run_are_gone_when_a_run_begins(tmp_path: Path) -> None:
    write_files(report("earlier"), tmp_path)
    set_earlier_aside(tmp_path, "earlier")
    assert names_in(tmp_path) == {FILE_NAME, *RENDERINGS}
    set_earlier_aside(tmp_path, "later")
    assert names_in(tmp_path) == {EARLIER_FILE_NAME}


def test_without_a_report_nothing_is_taken_for_one(tmp_path: Path) -> None:
    """The folder is the user's, and may have files of these names."""
    (tmp_path / "metrics.txt").touch()
    set_earlier_aside(tmp_path, "run")
    assert names_in(tmp_path) == {"metrics.txt"}


def test_usage_json_is_ascii_whatever_others_words_are(tmp_path: Path) -> None:
    path = write_usage(hostile_report("a\ud800\0\x1b[31m\u202e]]>"), tmp_path)
    assert path.read_bytes().isascii()
    assert json.loads(path.read_bytes())["run"]["id"] == "a\ud800\0\x1b[31m\u202e]]>"
