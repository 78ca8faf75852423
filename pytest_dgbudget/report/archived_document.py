"""What the ledger still has of a run whose details are in an archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypedDict

from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.report.plain_text import harmless
from pytest_dgbudget.report.shown import shown_seconds, shown_usd
from pytest_dgbudget.rules.attempts import usd_or_none
from pytest_dgbudget.units import counted, seconds


class ArchivedPartFigures(TypedDict):
    """What there was of a run until ``ended_at``, in the archive ``file``; ``cost_usd`` None: it is not known."""

    file: str
    archived_at: str
    ended_at: str
    sessions: int
    seconds: float
    cost_usd: float | None


class ArchivedDocument(TypedDict):
    """A run of which nothing else is left in the ledger."""

    schema: Literal["dgbudget.archived/1"]
    id: str
    target: str
    billed: bool
    parts: list[ArchivedPartFigures]


def archived_document(facts: RunFacts) -> ArchivedDocument:
    """Return the document of a run that was archived."""
    return {
        "schema": "dgbudget.archived/1",
        "id": facts.id,
        "target": facts.target,
        "billed": facts.billed,
        "parts": [
            {
                "file": part.file,
                "archived_at": part.at,
                "ended_at": part.ended_at,
                "sessions": part.sessions,
                "seconds": seconds(part.ms),
                "cost_usd": usd_or_none(part.micro_usd),
            }
            for part in facts.archived
        ],
    }


def archived_text(document: ArchivedDocument, *, width: int, color: bool) -> Iterator[str]:
    """Yield what it came to, and where its details are."""
    billed = "billed" if document["billed"] else "not billed"
    yield f"run {harmless(document['id'])} ({document['target']}, {billed}) is archived"
    for part in document["parts"]:
        yield (
            f"until {part['ended_at'][:10]}: {shown_seconds(part['seconds'])}, {shown_usd(part['cost_usd'])} in "
            f"{counted(part['sessions'], 'session')}; its tests and sessions are in {harmless(part['file'])}, archived "
            f"on {part['archived_at'][:10]}"
        )
