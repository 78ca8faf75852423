"""``dgbudget cassettes list``: the cassettes of a project, how old they are and what a replay of each saves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.cli.kept_cassettes import KeptCassette, KeptCassettes, kept_cassettes, kilobytes
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import write_json, write_verbatim
from pytest_dgbudget.cli.parser import CommandParser, complain
from pytest_dgbudget.instants import epoch_ms_of, write_instant
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.report.shown import shown_seconds
from pytest_dgbudget.rules.prices import price_of, price_table
from pytest_dgbudget.units import counted, format_age, format_period, known_sum, seconds, short_usd, usd

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.report.text_table import TextTable

_DESCRIPTION = """\
Show the cassettes of this project, each with its test, its age, its size, and what one replay of it saves: the
connection time of the recorded session, and what that costs at today's prices. Each is read whole, and what keeps one
from being replayed is said. Which tests there are is found by a
pytest that only collects them. Neither a key nor the network is needed.

Exit status: 0, also where tests could not be collected: which cassettes are orphans is not known then.
"""
_EXAMPLE = "dgbudget cassettes list --json"
_PROG = "dgbudget cassettes list"
_NOT_COLLECTED = "which cassettes no test uses is not known, for pytest could not collect the tests:"


def main(arguments: Sequence[str]) -> int:
    """Show them, and return the exit status; raises SettingsError."""
    parser = CommandParser("cassettes list", description=_DESCRIPTION, example=_EXAMPLE)
    parser.add_json()
    add_options(parser, {"dg_cassette_dir"})
    given = parser.parse_args(arguments)
    run_config = resolve_for_statement(given)
    kept = kept_cassettes(run_config)
    if kept.not_collected is not None:
        complain(_PROG, f"{_NOT_COLLECTED}\n{kept.not_collected}")
    listing = Listing(kept, run_config, datetime.now(timezone.utc))
    if given.json:
        write_json(listing.document())
    else:
        write_verbatim(listing.lines(shutil.get_terminal_size().columns))
    return 0


class Listing:
    """What is shown of the cassettes of a project; prices are those of today."""

    def __init__(self, kept: KeptCassettes, run_config: RunConfig, now: datetime) -> None:
        self._kept = kept
        prices = price_table(run_config.prices, run_config.prices_as_of)
        self._prices_as_of = prices.as_of
        self._prices: Mapping[str, int] = dict(prices.micro_usd_per_minute.items())
        self._max_age_ms = run_config.cassette_max_age_ms
        self._now_ms = epoch_ms_of(now)

    def document(self) -> dict[str, Any]:
        """Return it for programs; unknown numbers are None."""
        return {
            "schema": "dgbudget.cassettes/1",
            "prices_as_of": self._prices_as_of,
            "tests_known": self._kept.not_collected is None,
            "cassettes": [*map(self._entry, self._kept.cassettes)],
        }

    def _entry(self, cassette: KeptCassette) -> dict[str, Any]:
        facts, saved_ms, micro_usd = cassette.facts, _saved_ms(cassette), self._micro_usd(cassette)
        age_ms = self._age_ms(cassette)
        return {
            "cassette": shown_path(cassette.folder, self._kept.rootdir),
            "test": cassette.test,
            "orphan": cassette in self._kept.orphans if self._kept.not_collected is None else None,
            "recorded_at": None if facts is None else write_instant(facts.recorded_at),
            "age_seconds": None if age_ms is None else seconds(age_ms),
            "too_old": self._is_too_old(cassette),
            "bytes": cassette.size,
            "saved_seconds": None if saved_ms is None else seconds(saved_ms),
            "saved_usd": None if micro_usd is None else usd(micro_usd),
            "problem": cassette.problem or None,
        }

    def lines(self, width: int) -> Iterator[str]:
        """Yield it for a terminal of this width."""
        from pytest_dgbudget.report.text_table import text_of

        if not self._kept.cassettes:
            yield "there are no cassettes; a live run with --dg-record=once makes them"
            return
        yield from text_of([self._table(), [*self._sums()]], width)

    def _table(self) -> TextTable:
        from pytest_dgbudget.report.text_table import TextTable

        return TextTable(
            title=f"cassettes, and what a replay saves at the prices of {self._prices_as_of}",
            headings=("test", "session", "age", "size", "time", "cost", ""),
            rows=[*map(self._row, self._kept.cassettes)],
            words=frozenset({""}),
        )

    def _row(self, cassette: KeptCassette) -> tuple[str, ...]:
        saved_ms, micro_usd, age_ms = _saved_ms(cassette), self._micro_usd(cassette), self._age_ms(cassette)
        return (
            cassette.test or shown_path(cassette.of_test, self._kept.rootdir),
            cassette.folder.name,
            "-" if age_ms is None else format_age(age_ms),
            kilobytes(cassette.size),
            shown_seconds(None if saved_ms is None else seconds(saved_ms)),
            "-" if micro_usd is None else short_usd(usd(micro_usd)),
            self._remark(cassette),
        )

    def _remark(self, cassette: KeptCassette) -> str:
        said = ["orphan"] if cassette in self._kept.orphans else []
        said += ["too old"] if self._is_too_old(cassette) else []
        return "; ".join([*said, *([cassette.problem] if cassette.problem else [])])

    def _sums(self) -> Iterator[str]:
        used = [each for each in self._kept.cassettes if each not in self._kept.orphans]
        tests = counted(len({each.of_test for each in used}), "test")
        yield f"{counted(len(used), 'cassette')} of {tests}: {self._saved(used)}"
        if orphans := self._kept.orphans:
            size = kilobytes(sum(each.size for each in orphans))
            uses, them = ("it", "removes it") if len(orphans) == 1 else ("them", "removes them")
            yield f"{counted(len(orphans), 'orphan')} ({size}): no test uses {uses}; dgbudget cassettes prune {them}"
        if self._max_age_ms is not None and (old := sum(map(self._is_too_old, self._kept.cassettes))):
            is_or_are = "is" if old == 1 else "are"
            yield f"{old} {is_or_are} older than {format_period(self._max_age_ms)} (dg_cassette_max_age)"

    def _saved(self, used: Sequence[KeptCassette]) -> str:
        """Say what replays of those that can be read save."""
        ms = [saved_ms for each in used if (saved_ms := _saved_ms(each)) is not None]
        unreadable = len(used) - len(ms)
        if used and not ms:
            return "none can be read"
        micro_usd = known_sum(self._micro_usd(each) for each in used if _saved_ms(each) is not None)
        cost = "" if micro_usd is None else f" and {short_usd(usd(micro_usd))}"
        but_for = f", but for {unreadable} that can't be read" if unreadable else ""
        return f"replaying each once saves {shown_seconds(seconds(sum(ms)))}{cost}{but_for}"

    def _age_ms(self, cassette: KeptCassette) -> int | None:
        return None if cassette.facts is None else max(0, self._now_ms - epoch_ms_of(cassette.facts.recorded_at))

    def _is_too_old(self, cassette: KeptCassette) -> bool:
        age_ms = self._age_ms(cassette)
        return self._max_age_ms is not None and age_ms is not None and age_ms > self._max_age_ms

    def _micro_usd(self, cassette: KeptCassette) -> int | None:
        """Return what the session would cost now: by its tier where that is known, else as it did."""
        if cassette.facts is None or _saved_ms(cassette) is None:
            return None
        price = self._prices.get(cassette.facts.tier or "")
        return cassette.facts.micro_usd if price is None else price_of(cassette.facts.ms, price)


def _saved_ms(cassette: KeptCassette) -> int | None:
    """Return what a replay saves; None of one that can't be replayed."""
    return None if cassette.facts is None or cassette.problem else cassette.facts.ms
