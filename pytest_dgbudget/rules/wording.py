"""What the findings of a comparison mean, and what to do: said alike in a terminal, in an audit and to support."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_dgbudget.rules.verdicts import LineClass

# What a line of a class means; in the order in which an audit tells them.
MEANING: Mapping[LineClass, str] = {
    "missing-in-ledger": "the statement has it under the tag or key of a run that never opened it",
    "missing-at-vendor": "we metered it, and it is not in the statement",
    "duration": "the two durations differ by more than the tolerance",
    "duplicate": "the statement has several rows for it, and they differ",
    "unclear": "its row has no duration, and the time from its creation to its completion is not what we metered",
    "unconfirmed": "nobody saw its end, or it has no request id, or the statement has something else than a duration",
    "wrong-rate": "its dollars per minute are not the price of its tier",
    "pending": "when the statement was read, it did not have this request, or had not settled it",
}
ASK_SUPPORT = "write to Deepgram support about the request id"
# What to do about it.
ADVICE: Mapping[LineClass, str] = {
    "missing-in-ledger": "find what else has the key, or uses the run id",
    "missing-at-vendor": f"if it was in another project, name that; if not, {ASK_SUPPORT}",
    "duration": ASK_SUPPORT,
    "duplicate": ASK_SUPPORT,
    "unclear": "compare the hours: what the times of a row mean is not documented",
    "unconfirmed": f"if the statement's duration can't be read, {ASK_SUPPORT}",
    "wrong-rate": f"compare [prices] in dgbudget.toml with your contract; if they are right, {ASK_SUPPORT}",
    "pending": "compare again later",
}
DRIFT = "than late ends, rounding, handshakes and dg_drift explain"
