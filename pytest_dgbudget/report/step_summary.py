"""The summary that GitHub shows of a step of a job: ``usage.md`` is appended to what others have written there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_dgbudget.paths import require_file
from pytest_dgbudget.report.document import FinishedRun, UsageDocument, with_notice
from pytest_dgbudget.report.rendering import rendered

# GitHub shows nothing of a summary that is larger.
_MOST_BYTES = 1024 * 1024


def with_summary(finished: FinishedRun, summary: Path | None) -> FinishedRun:
    """Append a run that is over, once, where there is such a file; return its end, with a notice where that failed."""
    if summary is None or finished["document"] is None:
        return finished
    page_of = _page_without_json if finished["report"] is None else _page
    failure = not_appended(finished["document"], summary, page_of)
    return finished if failure is None else with_notice(finished, failure)


def _page(document: UsageDocument) -> str:
    return rendered("usage.md", document)


def _page_without_json(document: UsageDocument) -> str:
    from pytest_dgbudget.report.markdown import markdown_without_json

    return markdown_without_json(document)


def not_appended(document: UsageDocument, summary: Path, page_of: Callable[[UsageDocument], str] = _page) -> str | None:
    """Append the page of a document to the summary; return why it could not be, None where it was."""
    try:
        problem = _append(page_of(document).encode(), summary)
    except OSError as error:
        problem = (
            f"{summary} can't be appended to ({error.strerror or error}); let it name a file that is there and can be "
            "written, or unset it"
        )
    except Exception as error:
        problem = f"its page can't be made ({type(error).__name__}: {error}); please report that"
    return None if problem is None else f"GITHUB_STEP_SUMMARY has nothing of this run: {problem}"


def _append(page: bytes, summary: Path) -> str | None:
    """Append in one piece; return what is in its way. Raises OSError, also where there is no such file yet."""
    require_file(summary)
    with summary.open("ab", buffering=0) as file:
        size = file.tell()
        addition = b"\n" + page if size else page
        if size + len(addition) > _MOST_BYTES:
            return f"with it {summary} would be larger than the 1 MiB that GitHub shows"
        file.write(addition)
    return None
