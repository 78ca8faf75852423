"""What a command's run says on stderr, before the program and after it, and what its exit status is for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pytest_dgbudget.cli.options import respelled
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.protocol.operations import EndedAttempt, Verdict
from pytest_dgbudget.report.document import FinishedRun, UsageDocument
from pytest_dgbudget.report.header import budget_phrase, remarks, report_lines, target_phrase
from pytest_dgbudget.report.plain_text import harmless
from pytest_dgbudget.report.reconciliation import reconciliation_lines
from pytest_dgbudget.report.run_line import run_line
from pytest_dgbudget.report.run_remarks import run_keys_line, warning_lines
from pytest_dgbudget.report.usage_file import FILE_NAME
from pytest_dgbudget.rules.budget import explain
from pytest_dgbudget.rules.bypass import bypass_error
from pytest_dgbudget.rules.refusals import describe_refusal
from pytest_dgbudget.rules.waits import gave_up
from pytest_dgbudget.units import counted

_NO_KEY = (
    "no key is set, so the program gets none in {variable}: to give it a token, add --target=emulator; "
    "to go live, set a key"
)
_NO_SESSION = (
    "no session reached the gateway: a program in a container, in another language than Python and Node, or started "
    "before needs the gateway's address (DGBUDGET_AGENT_URL, DGBUDGET_BASE_URL) and a token (DG_APP_TOKEN)"
)


def say(lines: Iterable[str]) -> None:
    """Write lines to stderr, where there is one: the terminal may be gone."""
    _write(f"dgbudget: {line}" for line in lines)


def annotate(document: UsageDocument) -> None:
    """Write GitHub's annotations there, too: stdout is the program's, and a job's log has both."""
    from pytest_dgbudget.report.annotations import workflow_commands

    _write(workflow_commands(document, lambda nodeid: None))


def _write(lines: Iterable[str]) -> None:
    if sys.stderr is None:
        return
    with suppress(OSError):
        sys.stderr.writelines(f"{respelled(line)}\n" for line in lines)
        sys.stderr.flush()


def header_lines(run_config: RunConfig, listens_at: str | None) -> Iterator[str]:
    """Yield the target, whether it is billed, the budget, where the report goes, and what to know."""
    report = shown_path(run_config.report_dir / FILE_NAME, Path.cwd())
    yield f"{target_phrase(run_config, _marked)}; {budget_phrase(run_config)}; report {report}"
    yield from remarks(run_config, listens_at, utc_now())
    if not run_config.has_key and not run_config.target_given:
        yield _NO_KEY.format(variable=run_config.key_variable)


def _marked(word: str) -> str:
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        return word
    return f"\033[1;31m{word}\033[0m"


def closing_lines(
    run_config: RunConfig, finished: FinishedRun | None, ended: EndedAttempt | None, lack: str | None
) -> Iterator[str]:
    """Yield what was used, what was refused and why, the reconciliation, where the report is, and the notices.

    ``lack``: what the programs lack, where no session was wanted and none of them has loaded the redirect.
    """
    yield from map(harmless, _closing_lines(run_config, finished, ended, lack))


def _closing_lines(
    run_config: RunConfig, finished: FinishedRun | None, ended: EndedAttempt | None, lack: str | None
) -> Iterator[str]:
    document = None if finished is None else finished["document"]
    if document is not None and (document["tests"] or document["run"]["used_seconds"]):
        yield run_line(document)
        yield from warning_lines(document)
        if (keys := run_keys_line(document)) is not None:
            yield keys
    else:
        yield f"no session was opened ({run_config.recorded_target})"
    if ended is not None:
        yield from _lines_of_attempt(ended)
    elif run_config.is_live and not (finished and finished["notices"]):
        yield _NO_SESSION
        if lack is not None:
            yield lack
    if document is not None:
        yield from reconciliation_lines(document)
    if finished is not None:
        if finished["report"] is not None:
            yield from report_lines(Path(finished["report"]), Path.cwd())
        yield from finished["notices"]


def _lines_of_attempt(ended: EndedAttempt) -> Iterator[str]:
    if ended.leaked:
        were = "was" if ended.leaked == 1 else "were"
        yield f"{counted(ended.leaked, 'session')} {were} still open when the program ended, and closed"
    yield from _verdict_lines(ended.verdict)


def _verdict_lines(verdict: Verdict) -> Iterator[str]:
    yield from map(explain, verdict.overruns)
    yield from (str(bypass_error(bypass)) for bypass in verdict.bypasses if bypass.how == "refused")
    yield from map(describe_refusal, verdict.refusals)
    yield from verdict.notes
    yield from map(gave_up, verdict.waits_given_up)
