"""Several runs that share no ledger, reported as one: ``usage.json`` of shards. Pure.

All figures of the whole are computed from those of the shards, which the merged document keeps. So the order of the
files makes no difference, a file given twice counts once, and a merged file can be merged again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.report.document import SCHEMA, MergedDocument, RunFigures, SoftWarning, UsageDocument
from pytest_dgbudget.report.merged_reconciliation import merged_reconciliation
from pytest_dgbudget.report.regression import found_regression
from pytest_dgbudget.report.said import said_by
from pytest_dgbudget.report.shards import Shard, distinct, shards_in
from pytest_dgbudget.units import known_sum, seconds, usd

# No run's id has it.
_JOINT = "+"
_WORST_FIRST: Mapping[str, Sequence[str]] = {
    "bypass": ("seen", "possible", "unknown", "refused"),
    "verdict": ("overrun", "interrupted", "within"),
}


def merge(documents: Iterable[tuple[str, UsageDocument]]) -> MergedDocument:
    """Return one document of at least one, each with the name of its file.

    Raises SettingsError where they don't go together: what was billed is never added to what was not.
    """
    shards = distinct(shard for file, document in documents for shard in shards_in(file, document))
    _require_one_target(shards)
    return {
        "schema": SCHEMA,
        "run": merged_run([shard.document["run"] for shard in shards]),
        "tests": _numbered(shards, "tests"),
        "sessions": _numbered(shards, "sessions"),
        "reconciliation": merged_reconciliation(shards),
        "regression": None,
        "history": [],
        "warnings": [*_warnings(shards)],
        "notices": [*said_by({shard: _notices_of(shard) for shard in shards}), *_not_merged(shards)],
        "shards": [
            {
                "run": shard.document["run"],
                "reconciliation": shard.document["reconciliation"],
                "warnings": _warnings_of(shard),
                "notices": _notices_of(shard),
            }
            for shard in shards
        ],
    }


def _warnings(shards: Sequence[Shard]) -> Iterator[SoftWarning]:
    for kind in sorted({each["kind"] for shard in shards for each in _warnings_of(shard)}):
        texts = {shard: [each["text"] for each in _warnings_of(shard) if each["kind"] == kind] for shard in shards}
        for text in said_by(texts):
            yield {"kind": kind, "text": text}


def _warnings_of(shard: Shard) -> list[SoftWarning]:
    """Those of earlier versions had none."""
    return shard.document.get("warnings", [])


def _notices_of(shard: Shard) -> list[str]:
    """Return what a run says, with how it has regressed: the runs together are compared with no earlier ones."""
    regression = found_regression(shard.document)
    sentences = [] if regression is None else regression["sentences"]
    return [*shard.document["notices"], *(f"regression: {sentence}" for sentence in sentences)]


def _require_one_target(shards: Sequence[Shard]) -> None:
    first = shards[0]
    for shard in shards:
        if _billing(shard) != _billing(first):
            raise SettingsError(
                f"{first.file} is a run of target {_billing(first)}, {shard.file} of target {_billing(shard)}: their "
                "figures can't be added up. Merge the runs of one target, and see why the others had another one"
            )


def _billing(shard: Shard) -> str:
    run = shard.document["run"]
    return f"{run['target']} ({'billed' if run['billed'] else 'not billed'})"


def _numbered(shards: Sequence[Shard], part: str) -> list[Any]:
    return [
        {**entry, "shard": number}
        for number, shard in enumerate(shards)
        for entry in cast(Mapping[str, Any], shard.document)[part]
    ]


# The run --------------------------------------------------------------------------------------------------------------


def merged_run(runs: Sequence[RunFigures]) -> RunFigures:
    """Return the figures of runs together, each by its rule; unknown is what a sum with an unknown part is."""
    return cast(RunFigures, {name: rule(name, runs) for name, rule in RULES.items()})


def _all(name: str, runs: Sequence[RunFigures]) -> list[Any]:
    return [cast(Mapping[str, Any], run).get(name) for run in runs]


def _joined(name: str, runs: Sequence[RunFigures]) -> str:
    return _JOINT.join(sorted(set(_all(name, runs))))


def _first(name: str, runs: Sequence[RunFigures]) -> Any:
    return min(_all(name, runs))


def _last(name: str, runs: Sequence[RunFigures]) -> Any:
    """Return the latest instant; None when one is not known, as where a run did not end."""
    instants = _all(name, runs)
    return None if None in instants else max(instants)


def _common(name: str, runs: Sequence[RunFigures]) -> Any:
    """Return what all have; None where they differ."""
    first, *others = _all(name, runs)
    return first if all(other == first for other in others) else None


def _counted(name: str, runs: Sequence[RunFigures]) -> int | None:
    return known_sum(_all(name, runs))


def _seconds(name: str, runs: Sequence[RunFigures]) -> float | None:
    """Add up in milliseconds: floating-point sums would depend on the order."""
    total_ms = known_sum(None if value is None else round(value * 1000) for value in _all(name, runs))
    return None if total_ms is None else seconds(total_ms)


def _dollars(name: str, runs: Sequence[RunFigures]) -> float | None:
    micro_usd = known_sum(None if value is None else round(value * 1_000_000) for value in _all(name, runs))
    return None if micro_usd is None else usd(micro_usd)


def _of_those_that_dialled(rule: Rule) -> Rule:
    """A run in which nothing was dialled has no such figure, which leaves that of the others known."""

    def of_those(name: str, runs: Sequence[RunFigures]) -> object:
        return rule(name, [run for run in runs if _has(name, run)] or runs)

    return of_those


def _of_those_that_replayed(rule: Rule) -> Rule:
    """A run that replayed nothing has saved nothing, which leaves what the others have saved known."""

    def of_those(name: str, runs: Sequence[RunFigures]) -> object:
        return rule(name, [run for run in runs if run.get("replayed")] or runs)

    return of_those


def _has(name: str, run: RunFigures) -> bool:
    return bool(run["sessions"] or run["used_seconds"]) or _all(name, [run]) != [None]


def _of_one(name: str, runs: Sequence[RunFigures]) -> object:
    """Return the figure of the only run that has it: a percentile of several can't be told from theirs."""
    of_each = [value for value in _all(name, runs) if value is not None]
    return of_each[0] if len(of_each) == 1 else None


def _any(name: str, runs: Sequence[RunFigures]) -> bool:
    return any(_all(name, runs))


def _any_where_known(name: str, runs: Sequence[RunFigures]) -> bool | None:
    """Return whether one of them has it; None when that is not known of each."""
    return None if None in _all(name, runs) else _any(name, runs)


def _every(name: str, runs: Sequence[RunFigures]) -> bool:
    return all(_all(name, runs))


def _worst(name: str, runs: Sequence[RunFigures]) -> str:
    given = _all(name, runs)
    return next(value for value in _WORST_FIRST[name] if value in given)


def _keys(name: str, runs: Sequence[RunFigures]) -> list[Any]:
    """Return the keys of all runs; one that two of them name is deleted as soon as one of them knows it."""
    keys: dict[str, Any] = {}
    for key in (key for run in runs for key in run["keys"]):
        known = keys.setdefault(key["id"], key)
        keys[key["id"]] = known if key["deleted_at"] is None else key
    return list(keys.values())


Rule = Callable[[str, Sequence[RunFigures]], object]
RULES: Mapping[str, Rule] = {
    "id": _joined,
    "started_at": _first,
    "finished_at": _last,
    "target": _common,
    "billed": _common,
    "budget_seconds": _seconds,
    "used_seconds": _seconds,
    "sessions": _counted,
    "turns": _of_those_that_dialled(_counted),
    "latency_p50_ms": _of_one,
    "latency_p95_ms": _of_one,
    "cost_usd": _dollars,
    "estimated": _any_where_known,
    "cost_budget_usd": _dollars,
    "prices_as_of": _of_those_that_dialled(_common),
    "forecast_seconds": _of_those_that_dialled(_seconds),
    "forecast_usd": _of_those_that_dialled(_dollars),
    "replayed": _counted,
    "saved_seconds": _of_those_that_replayed(_seconds),
    "saved_usd": _of_those_that_replayed(_dollars),
    "at_risk_seconds": _seconds,
    "at_risk_usd": _dollars,
    "under_way": _counted,
    "set_aside_seconds": _seconds,
    "overshoot_seconds": _seconds,
    "bypass": _worst,
    "keys": _keys,
    "verdict": _worst,
    "failing": _any,
    "complete": _every,
}


def _not_merged(shards: Sequence[Shard]) -> list[str]:
    """Say what the whole lacks although shards have it."""
    runs = [shard.document["run"] for shard in shards]
    said = []
    if unknown := sorted({name for run in runs for name in run} - RULES.keys()):
        said.append(f"this version can't merge run.{', run.'.join(unknown)}: see the shards")
    days = sorted({run["prices_as_of"] or "an unknown one" for run in runs if _has("prices_as_of", run)})
    if len(days) > 1:
        said.append(f"the shards' prices are of different days: {', '.join(days)}")
    return said
