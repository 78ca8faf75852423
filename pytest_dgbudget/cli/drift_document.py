"""What ``dgbudget cassettes check --live`` found, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypedDict

from pytest_dgbudget.cassette.drift import DriftRule, check, drifts_by_id, latency_sentence
from pytest_dgbudget.cli.cassettes_live import LiveFindings
from pytest_dgbudget.instants import epoch_ms_of, write_instant
from pytest_dgbudget.report.plain_text import harmless
from pytest_dgbudget.units import counted, seconds, usd

SCHEMA = "dgbudget.drift/1"


class DriftEntry(TypedDict):
    """One drift: ``id`` is the same each time, ``cassettes`` are those in which it was found (latency: none)."""

    id: str
    rule: DriftRule
    what: str
    cassettes: list[str]


class CheckedEntry(TypedDict):
    """A cassette that was checked: its age, and what its session took now."""

    cassette: str
    recorded_at: str
    age_seconds: float
    seconds: float
    cost_usd: float | None
    request_id: str | None
    drifts: list[str]


class UncheckedEntry(TypedDict):
    """A cassette that was not checked, and why."""

    cassette: str
    reason: str


class LatencyEntry(TypedDict):
    """A latency over all pairs of recorded and new; ``limit`` is None where there are too few to judge."""

    figure: str
    pairs: int
    recorded_seconds: float
    now_seconds: float
    change: float
    limit: float | None
    slower: bool
    what: str


class DriftDocument(TypedDict):
    """``verdict``: drift, none, or unchecked where no session could be had again. ``fingerprint``: of the drifts alone,
    None without any.
    """

    schema: str
    run_id: str
    target: str
    checked_at: str
    verdict: Literal["drift", "none", "unchecked"]
    fingerprint: str | None
    drifts: list[DriftEntry]
    checked: list[CheckedEntry]
    not_checked: list[UncheckedEntry]
    latency: list[LatencyEntry]


def drift_document(found: LiveFindings) -> DriftDocument:
    """Compare, and return all that is known."""
    checked = check([each.rerun for each in found.checked])
    cassettes = drifts_by_id(checked, [each.name for each in found.checked])
    drifts: list[DriftEntry] = [
        {"id": drift.id, "rule": drift.rule, "what": drift.what, "cassettes": cassettes[drift.id]}
        for drift in checked.drifts
    ]
    entries: list[CheckedEntry] = []
    for each, of_cassette in zip(found.checked, checked.of_each, strict=True):
        recorded, now = each.rerun.recorded.facts, each.rerun.now.facts
        entries.append(
            {
                "cassette": each.name,
                "recorded_at": write_instant(recorded.recorded_at),
                "age_seconds": seconds(max(0, epoch_ms_of(found.now) - epoch_ms_of(recorded.recorded_at))),
                "seconds": seconds(now.ms),
                "cost_usd": None if now.micro_usd is None else usd(now.micro_usd),
                "request_id": each.request_id,
                "drifts": [drift.id for drift in of_cassette],
            }
        )
    return {
        "schema": SCHEMA,
        "run_id": found.run_config.run_id,
        "target": found.run_config.recorded_target,
        "checked_at": write_instant(found.now),
        "verdict": "drift" if drifts else "none" if found.checked else "unchecked",
        "fingerprint": checked.fingerprint,
        "drifts": drifts,
        "checked": entries,
        "not_checked": [{"cassette": each.name, "reason": each.reason} for each in found.unchecked],
        "latency": [
            {
                "figure": figure,
                "pairs": each.pairs,
                "recorded_seconds": round(each.recorded_ms / 1000, 3),
                "now_seconds": round(each.now_ms / 1000, 3),
                "change": round(each.change, 3),
                "limit": None if each.limit is None else round(each.limit, 3),
                "slower": each.is_slower,
                "what": latency_sentence(figure, each),
            }
            for figure, each in checked.latencies.items()
        ],
    }


def drift_lines(document: DriftDocument) -> Iterator[str]:
    """Yield it for people."""
    yield from map(harmless, _lines(document))


def _lines(document: DriftDocument) -> Iterator[str]:
    count = len(document["checked"]) + len(document["not_checked"])
    drifts = counted(len(document["drifts"]), "drift") if document["drifts"] else "no drift"
    yield f"{len(document['checked'])} of {counted(count, 'cassette')} checked: {drifts}"
    for drift in document["drifts"]:
        where = f" ({', '.join(drift['cassettes'])})" if drift["cassettes"] else ""
        yield f"  {drift['rule']}: {drift['what']}{where}"
    for latency in document["latency"]:
        if not latency["slower"]:
            yield f"  {latency['what']}"
    for each in document["not_checked"]:
        yield f"  not checked: {each['cassette']}: {each['reason']}"
    if document["fingerprint"] is not None:
        yield f"fingerprint of these drifts: {document['fingerprint']}"
