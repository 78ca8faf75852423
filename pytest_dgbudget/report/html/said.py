"""Lines of the terminal as sentences of the page; those of the reconciliation, of one run or of several."""

from __future__ import annotations

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.merged_reconciliation import with_something_to_compare
from pytest_dgbudget.report.reconciliation import sentences
from pytest_dgbudget.report.said import said_by
from pytest_dgbudget.report.shards import shards_in


def reconciliation_sentences(document: UsageDocument) -> list[str]:
    """Return a sentence for each thing that disagrees or could not be checked: tags and keys are those of each run."""
    shards = shards_in("", document)
    if len(shards) == 1:
        return sentences(shards[0].document)
    by_shard = {shard: sentences(shard.document) for shard in with_something_to_compare(shards)}
    of_shards = {text for texts in by_shard.values() for text in texts}
    said, of_all = said_by(by_shard), document["reconciliation"]
    return [*said, *(text for text in (*of_all["reasons"], *of_all["remarks"]) if text not in {*said, *of_shards})]


def sentence(line: str) -> str:
    """Return a line of the terminal as a sentence; a name at its start is left as it is."""
    first = line.partition(" ")[0].rstrip(":,")
    begun = line[:1].upper() + line[1:] if first.isalpha() and first != "dgbudget" else line
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."
