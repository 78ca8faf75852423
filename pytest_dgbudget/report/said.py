"""Sentences of several shards, each once, with whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_dgbudget.report.shards import Shard


def said_by(sentences: Mapping[Shard, Iterable[str]]) -> list[str]:
    """Return what shards say, as often as it differs; what not all of them say names their runs."""
    whose: dict[str, list[str]] = {}
    for shard, texts in sentences.items():
        for text in dict.fromkeys(texts):
            whose.setdefault(text, []).append(shard.run_id)
    return [
        text if len(runs) == len(sentences) else f"{text} (run {', '.join(dict.fromkeys(runs))})"
        for text, runs in whose.items()
    ]
