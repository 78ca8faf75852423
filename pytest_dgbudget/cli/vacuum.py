"""``dgbudget ledger vacuum``: archive the details of old runs, and take them out of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.cli.bars import Bars, Shown, Steps, no_bars, shown_bars
from pytest_dgbudget.cli.days import past_day
from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.ledger import holders_in, open_ledger
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import write, write_json
from pytest_dgbudget.cli.parser import CommandParser, complain
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.instants import utc_now, write_instant
from pytest_dgbudget.units import counted, format_time, format_usd, known_sum, seconds, usd

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.ledger.connection import Connection
    from pytest_dgbudget.ledger.vacuum import Plan, Removed, Vacuum
    from pytest_dgbudget.rules.vacuum import KeptRun, WhyKept

_DESCRIPTION = """\
Take the details of runs that ended before a day out of the ledger: sessions, tests, reconciliations. They are written
to an archive file first, which is read back before anything is removed. Budgets of runs, paths, days and months go on
as they are; reports say what is archived, and an audit leaves it out. Runs that may go on, have open leases or are
pending stay. Other runs may go on meanwhile; the file of the ledger gets smaller once none does.

Exit status: 0; 1 when no archive could be written; 2 for bad usage, or without a ledger.
"""
_EXAMPLE = "dgbudget ledger vacuum --before 90d --dry-run"
_PROG = "dgbudget ledger vacuum"
_MOST_NAMED = 3
_SWEEP = " (dgbudget sweep ends those whose gateways are gone)"
_RECONCILE = " (dgbudget reconcile --pending)"
# Of one run, and of several.
_WHY: Mapping[WhyKept, tuple[str, str]] = {
    "live": ("its gateway lives", "their gateways live"),
    "unfinished": (
        "nobody said that it ended, and it was heard of less than seven days ago",
        "nobody said that they ended, and they were heard of less than seven days ago",
    ),
    "open-lease": (f"a lease of it is open{_SWEEP}", f"leases of them are open{_SWEEP}"),
    "open-day": (f"a lease of the same day is open{_SWEEP}", f"leases of the same days are open{_SWEEP}"),
    "pending": (f"its reconciliation is pending{_RECONCILE}", f"their reconciliations are pending{_RECONCILE}"),
    "last-lease": ("the ledger goes on from its last lease", "the ledger goes on from their last lease"),
    "changed": ("something was added to it meanwhile", "something was added to them meanwhile"),
}
_BIG_FILE = "the file keeps its size, and later runs use its room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of runs. ``why_not_smaller``: the ledger takes more room than it need."""

    archive: Path | None = None
    removed: list[Removed] = field(default_factory=list)
    kept: list[KeptRun] = field(default_factory=list)
    why_not_smaller: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuumed:
    """What was done, or (``dry_run``) would be, with the bytes that the ledger takes."""

    before: str
    dry_run: bool
    done: Done
    bytes_before: int
    bytes_after: int


def main(arguments: Sequence[str]) -> int:
    """Archive, remove, say what was done, and return the exit status; raises SettingsError or LedgerError."""
    from pytest_dgbudget.ledger.archive import ArchiveFailed

    given = _parser().parse_args(arguments)
    before = past_day("--before", given.before, datetime.now(timezone.utc), "its runs have not ended")
    run_config = resolve_for_statement(given)
    folder = run_config.state_dir / "archive" if given.archive_dir is None else Path(given.archive_dir)
    try:
        shown = no_bars() if given.json else shown_bars()
        vacuumed = _vacuum(run_config, before, folder, shown, dry_run=given.dry_run)
    except ArchiveFailed as error:
        complain(_PROG, str(error))
        return FAILED
    if given.json:
        write_json(_document(vacuumed))
    else:
        write(_lines(vacuumed))
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(
        "ledger vacuum",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        usage="dgbudget ledger vacuum --before DATE [OPTIONS]",
    )
    parser.add_argument(
        "--before",
        required=True,
        metavar="DATE",
        help="Runs that ended before this day (UTC): a date, 2026-11-01, or an age, 90d; at least a day ago.",
    )
    parser.add_argument(
        "--archive-dir", metavar="DIR", help="Where the archive goes. Default: archive, in the folder of the ledger."
    )
    parser.add_argument("--dry-run", action="store_true", help="Change nothing: show what would be done.")
    parser.add_json()
    add_options(parser, {"dg_ledger"})
    return parser


def _vacuum(run_config: RunConfig, before: datetime, folder: Path, shown: Shown, *, dry_run: bool) -> Vacuumed:
    from pytest_dgbudget.ledger.vacuum import Vacuum

    with open_ledger(run_config) as connection, shown as bars:
        size = connection.size()
        holders = holders_in(connection, run_config)
        vacuum = Vacuum(connection, lambda run: bool(holders.live([run])))
        plan = vacuum.plan(before)
        done = Done(removed=[vacuum.came_to(run) for run in plan.removed] if dry_run else [])
        if plan.removed and not dry_run:
            done = _archive_and_remove(vacuum, plan, before, folder, bars)
            done = replace(done, why_not_smaller=_shrink(connection, run_config))
        return Vacuumed(
            before=write_instant(before),
            dry_run=dry_run,
            done=replace(done, kept=[*plan.kept, *done.kept]),
            bytes_before=size,
            bytes_after=connection.size(),
        )


def _archive_and_remove(vacuum: Vacuum, plan: Plan, before: datetime, folder: Path, bars: Bars) -> Done:
    archive, rows = _archive(vacuum, plan, before, folder, bars.begin("archiving runs", len(plan.removed)))
    removed, kept = _remove(vacuum, rows, archive, bars.begin("removing runs", len(rows)))
    vacuum.forget_requests()
    return Done(archive=archive, removed=removed, kept=kept)


def _archive(
    vacuum: Vacuum, plan: Plan, before: datetime, folder: Path, done: Steps
) -> tuple[Path, dict[str, Counter[str]]]:
    """Write all that there is of runs into an archive; return its path and, by run, how many rows of each table."""
    from pytest_dgbudget.ledger.archive import new_archive

    counts: dict[str, Counter[str]] = {}
    with new_archive(folder, f"ledger-before-{before:%Y-%m-%d}") as archive:
        archive.head({"before": write_instant(before), "written_at": utc_now()})
        for number, run in enumerate(plan.removed, start=1):
            counts[run] = archive.add(vacuum.rows(run))
            done(number)
    assert archive.published is not None
    return archive.published, counts


def _remove(
    vacuum: Vacuum, runs: Mapping[str, Mapping[str, int]], archive: Path, done: Steps
) -> tuple[list[Removed], list[KeptRun]]:
    from pytest_dgbudget.rules.vacuum import KeptRun

    removed: list[Removed] = []
    kept: list[KeptRun] = []
    for each in vacuum.remove(runs, archive.name):
        if isinstance(each, KeptRun):
            kept.append(each)
        else:
            removed.append(each)
        done(len(removed) + len(kept))
    return removed, kept


def _shrink(connection: Connection, run_config: RunConfig) -> str | None:
    """Give back the room that is free now; return why that could not be done."""
    from pytest_dgbudget.ledger.run_lock import live_runs

    try:
        if connection.reclaim():
            return None
        if live := live_runs(run_config.state_dir):
            return f"{_BIG_FILE}: {_named(live)} would have to wait while it is written anew"
        connection.rebuild()
    except LedgerError as error:
        return f"{_BIG_FILE}: {error}"
    return None


def _document(vacuumed: Vacuumed) -> dict[str, Any]:
    micro_usd = known_sum(each.micro_usd for each in vacuumed.done.removed)
    return {
        "before": vacuumed.before,
        "dry_run": vacuumed.dry_run,
        "archive": None if vacuumed.done.archive is None else str(vacuumed.done.archive),
        "runs": len(vacuumed.done.removed),
        "sessions": sum(each.sessions for each in vacuumed.done.removed),
        "seconds": seconds(sum(each.ms for each in vacuumed.done.removed)),
        "cost_usd": None if micro_usd is None else usd(micro_usd),
        "kept": [each._asdict() for each in vacuumed.done.kept],
        "ledger_bytes_before": vacuumed.bytes_before,
        "ledger_bytes_after": vacuumed.bytes_after,
        "why_not_smaller": vacuumed.done.why_not_smaller,
    }


def _lines(vacuumed: Vacuumed) -> Iterator[str]:
    if vacuumed.done.archive is not None:
        yield f"archive: {vacuumed.done.archive}"
    if vacuumed.done.removed:
        yield f"{'would remove' if vacuumed.dry_run else 'removed'} {_came_to(vacuumed.done.removed)}"
    else:
        yield f"nothing to remove: no run that could be archived ended before {vacuumed.before[:10]}"
    yield from _kept(vacuumed.done.kept)
    if vacuumed.done.removed and not vacuumed.dry_run:
        yield f"ledger: {_megabytes(vacuumed.bytes_before)}, now {_megabytes(vacuumed.bytes_after)}"
    if vacuumed.done.why_not_smaller is not None:
        yield vacuumed.done.why_not_smaller
    if vacuumed.dry_run:
        yield "nothing was changed: this is what would be done"


def _kept(kept: Sequence[KeptRun]) -> Iterator[str]:
    by_reason: dict[WhyKept, list[str]] = {}
    for each in kept:
        by_reason.setdefault(each.why, []).append(each.run)
    for why, runs in by_reason.items():
        of_one, of_several = _WHY[why]
        stay = f"stays, since {of_one}" if len(runs) == 1 else f"stay, since {of_several}"
        yield f"{counted(len(runs), 'run')} {stay}: {_named(runs)}"


def _came_to(removed: Sequence[Removed]) -> str:
    micro_usd = known_sum(each.micro_usd for each in removed)
    cost = "a cost that is not known" if micro_usd is None else format_usd(micro_usd)
    sessions = counted(sum(each.sessions for each in removed), "session")
    time = format_time(sum(each.ms for each in removed))
    return f"the details of {counted(len(removed), 'run')}: {sessions}, {time}, {cost}"


def _named(runs: Sequence[str]) -> str:
    more = len(runs) - _MOST_NAMED
    return ", ".join(runs[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
