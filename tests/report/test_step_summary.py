"""$GITHUB_STEP_SUMMARY: what others have written there stays, and what can't be added is a notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dgbudget.report.document import FinishedRun, without_document
from pytest_dgbudget.report.markdown import usage_markdown
from pytest_dgbudget.report.step_summary import with_summary
from tests.support.hostile import long_report
from tests.support.shards import report

DOCUMENT = report("run", "a")
FINISHED: FinishedRun = {**without_document("n"), "document": DOCUMENT, "report": "usage.json"}
PAGE = usage_markdown(DOCUMENT)


def test_the_page_is_appended_to_what_is_there(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.write_text("# another's", encoding="utf-8")
    for _ in range(2):
        assert with_summary(FINISHED, summary) is FINISHED
    assert summary.read_text(encoding="utf-8") == f"# another's\n{PAGE}\n{PAGE}"


def test_a_summary_that_is_empty_begins_with_it(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.touch()
    with_summary(FINISHED, summary)
    assert summary.read_text(encoding="utf-8") == PAGE


def test_of_a_report_that_could_not_be_written_it_names_no_file(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.touch()
    with_summary({**FINISHED, "report": None}, summary)
    assert "usage.json" in PAGE
    assert summary.read_text(encoding="utf-8") == PAGE.replace("; usage.json has all figures.", ".")


def test_nor_where_its_page_is_cut_short(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.touch()
    with_summary({**FINISHED, "document": long_report(2000, "\x1b" * 500), "report": None}, summary)
    assert summary.read_text(encoding="utf-8").endswith("\nThis is cut short.\n")


def test_without_a_summary_or_a_document_nothing_happens(tmp_path: Path) -> None:
    assert with_summary(FINISHED, None) is FINISHED
    lost = without_document("gone")
    assert with_summary(lost, tmp_path / "summary") is lost
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_file_that_is_not_there_is_a_notice_and_is_not_made(tmp_path: Path, is_folder: bool) -> None:
    if is_folder:
        (tmp_path / "summary").mkdir()
    before = [*tmp_path.iterdir()]
    finished = with_summary(FINISHED, tmp_path / "summary")
    reason = "it is no regular file" if is_folder else "No such file or directory"
    assert finished["notices"] == [
        "n",
        f"GITHUB_STEP_SUMMARY has nothing of this run: {tmp_path / 'summary'} can't be appended to ({reason}); let it "
        "name a file that is there and can be written, or unset it",
    ]
    assert [*tmp_path.iterdir()] == before


def test_a_summary_that_would_exceed_what_github_shows_stays_as_it_is(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    most = 1024 * 1024 - len(PAGE.encode()) - 1
    summary.write_bytes(b"x" * most)
    assert with_summary(FINISHED, summary)["notices"] == ["n"]
    assert summary.stat().st_size == 1024 * 1024
    summary.write_bytes(b"x" * (most + 1))
    (_, notice) = with_summary(FINISHED, summary)["notices"]
    assert "would be larger than the 1 MiB that GitHub shows" in notice
    assert summary.stat().st_size == most + 1
