"""What a comparison with the vendor's statement may come to, for each request and for the whole run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LineClass = Literal[
    "matched",
    "within-tolerance",
    "duration",
    "pending",
    "missing-at-vendor",
    "missing-in-ledger",
    "duplicate",
    "unconfirmed",
    "unclear",
    "wrong-rate",
]
Verdict = Literal["reconciled", "discrepancy", "pending", "inconclusive", "off"]

VERDICT_OF: dict[LineClass, Verdict] = {
    "matched": "reconciled",
    "within-tolerance": "reconciled",
    "duration": "discrepancy",
    "missing-at-vendor": "discrepancy",
    "missing-in-ledger": "discrepancy",
    "duplicate": "discrepancy",
    "wrong-rate": "discrepancy",
    "pending": "pending",
    "unconfirmed": "inconclusive",
    "unclear": "inconclusive",
}
AGREEING = {kind for kind, verdict in VERDICT_OF.items() if verdict == "reconciled"}
# What becomes of a settled row that states no duration.
WITHOUT_DURATION: frozenset[LineClass] = frozenset(["matched", "unclear"])
DISAGREEING = {kind for kind, verdict in VERDICT_OF.items() if verdict == "discrepancy"}

NOTHING_BILLED = "nothing was billed, so there is nothing to compare"
NOTHING_TO_COMPARE = "no session was opened, so there is nothing to compare"

# While something may still change, nothing less grave is final.
_GRAVEST_FIRST: tuple[Verdict, ...] = ("discrepancy", "pending", "inconclusive", "reconciled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far the two figures of one session may be apart: ``ms`` or ``share`` of ours, whichever is larger."""

    ms: int
    share: float

    def allowed_ms(self, own_ms: int) -> int:
        return max(self.ms, round(own_ms * self.share))


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that the whole has when its parts have these; ``off`` says nothing."""
    given = set(verdicts)
    return next((verdict for verdict in _GRAVEST_FIRST if verdict in given), "reconciled")
