"""The live part of ``dgbudget cassettes check``: a metered run whose client has the sessions of cassettes again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.client_side import scrubbed_in
from pytest_dgbudget.cassette.drift import Rerun
from pytest_dgbudget.cassette.making import cassette_of
from pytest_dgbudget.cli.exit_status import exit_status
from pytest_dgbudget.cli.metered_run import MeteredRun
from pytest_dgbudget.cli.summary import closing_lines, header_lines, say
from pytest_dgbudget.client.cassette_client import HadAgain, NotOpened, have_again
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.window_history import remark_on_history
from pytest_dgbudget.errors import CassetteError, DgBudgetError, SettingsError
from pytest_dgbudget.recording.reading import read_recording
from pytest_dgbudget.rules.prices import price_of, price_table
from pytest_dgbudget.units import format_time, format_usd

_NAME = "cassettes check"
# What a session may take beyond what it took when recorded, before it is begun.
_SPARE_MS = 2000
# Who ended a session that can be compared.
_TO_ITS_END = frozenset({"client", "network", "server", "teardown"})


class Unchecked(NamedTuple):
    """A cassette that was not checked, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCassette:
    """A cassette that was checked; ``request_id`` is the vendor's for the new session."""

    name: str
    rerun: Rerun
    request_id: str | None


@dataclass(slots=True, kw_only=True)
class LiveFindings:
    """What was had again, and what was not. ``has_failed``: the run has, whatever was found."""

    run_config: RunConfig
    now: datetime
    checked: list[CheckedCassette] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    has_failed: bool = False


class LiveCheck:
    """Cassettes by their names. ``now``: their age counts until then."""

    def __init__(
        self, run_config: RunConfig, cassettes: Mapping[str, Cassette], now: datetime, patience_seconds: float
    ) -> None:
        self._run_config = run_config
        self._cassettes = cassettes
        self._patience_seconds = patience_seconds
        prices = price_table(run_config.prices, run_config.prices_as_of)
        self._prices = {str(tier): price for tier, price in prices.micro_usd_per_minute.items()}
        self._found = LiveFindings(run_config=run_config, now=now)

    def run(self) -> LiveFindings:
        """Have the sessions again until the budget is spent, report the run, and return what can be compared."""
        with TemporaryDirectory(prefix="dgbudget-check-") as folder:
            recorded = {"recording_dir": Path(folder), "record": "none"}
            run_config = RunConfig(**{**vars(self._run_config), **recorded})
            with closing(MeteredRun(run_config, _NAME)) as run:
                had = self._have_all_again(run)
                self._finish(run)
            for name, each in had.items():
                self._take(name, each, Path(folder))
        return self._found

    def _have_all_again(self, run: MeteredRun) -> Mapping[str, HadAgain]:
        remark = remark_on_history(run.run_config, os.environ)
        try:
            run.begin()
        except DgBudgetError as error:
            raise SettingsError(str(error)) from error
        say([*header_lines(run.run_config, run.listens_at), *([] if remark is None else [remark])])
        had = {}
        for name in sorted(self._cassettes, key=lambda name: (-self._priority(name), name)):
            reason = self._why_not(name, run)
            if reason is None:
                try:
                    had[name] = asyncio.run(have_again(self._cassettes[name], run.endpoint, self._patience_seconds))
                except NotOpened as error:
                    reason = str(error)
            if reason is not None:
                self._found.unchecked.append(Unchecked(name, reason))
            say([f"{name}: {'had again' if reason is None else f'not checked: {reason}'}"])
        return had

    def _priority(self, name: str) -> float:
        """Return age times cost: what has been replayed for long, and would have cost most, is checked first."""
        cassette = self._cassettes[name]
        age = (self._found.now - cassette.facts.recorded_at).total_seconds()
        return max(0.0, age) * self._micro_usd(cassette)

    def _micro_usd(self, cassette: Cassette) -> int:
        """Return what the session is likely to cost today; of an unknown tier, at the highest known price."""
        price = self._prices.get(cassette.facts.tier or "", max(self._prices.values()))
        return price_of(cassette.facts.ms, price)

    def _why_not(self, name: str, run: MeteredRun) -> str | None:
        cassette = self._cassettes[name]
        if places := scrubbed_in(cassette):
            return f"its client's messages were scrubbed: give {places[0]} by --set {places[0]}=VARIABLE"
        return self._why_too_much(cassette, run)

    def _why_too_much(self, cassette: Cassette, run: MeteredRun) -> str | None:
        progress, config = run.progress(), self._run_config
        used_ms, used_micro_usd = (
            (0, 0) if progress is None else (round(progress.used_seconds * 1000), round(progress.used_usd * 1_000_000))
        )
        needs_ms, needs_micro_usd = cassette.facts.ms + _SPARE_MS, self._micro_usd(cassette)
        if config.budget_ms is not None and needs_ms > config.budget_ms - used_ms:
            left = format_time(max(0, config.budget_ms - used_ms))
            return f"it takes about {format_time(cassette.facts.ms)}, and {left} of the budget are left"
        budget = config.cost_budget_micro_usd
        if budget is not None and needs_micro_usd > budget - used_micro_usd:
            left = format_usd(max(0, budget - used_micro_usd))
            return f"it costs about {format_usd(needs_micro_usd)}, and {left} of the budget are left"
        return None

    def _finish(self, run: MeteredRun) -> None:
        run.end_sessions("passed")
        finished = run.finish(
            0,
            interrupted=False,
            wait=True,
            still_waiting=lambda: say(["waiting for the vendor's statement (Ctrl-C: go on without it)"]),
        )
        say(closing_lines(run.run_config, finished, run.ended, None))
        must_reconcile = run.run_config.reconcile == "require"
        status, why = exit_status(0, finished, run.failure, must_reconcile=must_reconcile)
        # What the budget left over is listed; that it was spent is what it was given for.
        self._found.has_failed = status == 1
        if self._found.has_failed and why is not None:
            say([why])

    def _take(self, name: str, had: HadAgain, folder: Path) -> None:
        try:
            recorded = read_recording(next(folder.glob(f"*/{had.session}")))
            now = cassette_of(recorded)
        except (CassetteError, OSError, StopIteration) as error:
            self._found.unchecked.append(Unchecked(name, f"what came was not recorded: {error}"))
            return
        if now.facts.closed_by not in _TO_ITS_END:
            self._found.unchecked.append(Unchecked(name, f"it did not come to its end: {now.facts.closed_by}"))
            return
        rerun = Rerun(
            recorded=self._cassettes[name],
            now=now,
            missed=had.missed,
            unanswered=had.unanswered,
            is_whole=had.is_whole,
        )
        request_id = next((line.request_id for line in recorded.lines if line.request_id), None)
        self._found.checked.append(CheckedCassette(name=name, rerun=rerun, request_id=request_id))
