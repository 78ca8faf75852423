"""Rows of one request, which were met several times: which of them are one row, and which of them count. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_dgbudget.rules.comparison import VendorRow

# The fields that a row has, by which two of one request differ. An instant may be written in several ways.
_FIELDS = (
    "created_ms",
    "duration_ms",
    "elapsed_ms",
    "unreadable_duration",
    "micro_usd",
    "key_id",
    "tags",
    "agent",
    "origin",
)
_Known = tuple[int, ...]


def counted_rows(rows: tuple[VendorRow, ...]) -> tuple[VendorRow, ...]:
    """Return the settled rows of a request; without one, the row that says most: it may have been seen before and
    after it settled.
    """
    if len(rows) <= 1:
        return rows
    in_order = sorted(rows, key=_how_much_it_says)
    return tuple(row for row in in_order if row.settled) or tuple(in_order[-1:])


def fullest(rows: Sequence[VendorRow]) -> tuple[VendorRow, ...]:
    """Return the rows of one request without those of which another one has everything that they have.

    A row is filled in step by step, and may be met at each.
    """
    distinct = {(row.settled, *_figures(row)): row for row in sorted(rows, key=_how_much_it_says)}
    by_known: dict[tuple[bool, _Known], list[VendorRow]] = {}
    for row in distinct.values():
        by_known.setdefault((row.settled, _known(row)), []).append(row)
    return tuple(
        row for (settled, known), group in by_known.items() for row in _not_in(group, settled, known, by_known)
    )


def _not_in(
    group: Iterable[VendorRow], settled: bool, known: _Known, by_known: Mapping[tuple[bool, _Known], list[VendorRow]]
) -> Iterable[VendorRow]:
    """Yield the rows of a group, in which the same fields are known, that are in no row that has these and more."""
    fuller = [each for key, each in by_known.items() if key[0] == settled and set(key[1]) > set(known)]
    covered = {tuple(_figures(row)[at] for at in known) for others in fuller for row in others}
    return (row for row in group if tuple(_figures(row)[at] for at in known) not in covered)


def _figures(row: VendorRow) -> tuple[object, ...]:
    """What its fields have; an instant that can't be read counts as it came."""
    created = row.created if row.created_ms is None else row.created_ms
    return (created, *(getattr(row, name) for name in _FIELDS[1:]))


def _known(row: VendorRow) -> _Known:
    return tuple(at for at, figure in enumerate(_figures(row)) if figure is not None)


def _how_much_it_says(row: VendorRow) -> tuple[list[int], bool, list[str]]:
    """Of two rows that say as much, the order in which they came is to decide nothing."""
    figures = [-1 if figure is None else figure for figure in (row.duration_ms, row.elapsed_ms, row.micro_usd)]
    others = (row.created, row.created_ms, row.key_id, row.agent, row.unreadable_duration, row.origin)
    return figures, row.tags is not None, [*map(str, others), *sorted(row.tags or ())]
