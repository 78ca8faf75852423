"""A text in sentences, since the vendor's agent says one after another. Pure.

Where the vendor cuts is not known; the emulator cuts after the marks that end sentences.
"""

from __future__ import annotations

import re

# What follows a mark, which is looked back at: a run of marks takes no longer than its length.
_ENDS = re.compile(r"(?<=[.!?…])[\"'\u201d\u2019)\]]*\s+(?=\S)|(?<=[\u3002\uff01\uff1f])(?=[^\s\u3002\uff01\uff1f])")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|Prof|St|No|vs|e\.g|i\.e|approx|[A-Z])\.$")
_LOOKED_AT = 8  # characters; one more than the longest abbreviation has


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without the space between them; the text itself if it has none."""
    found, start = [], 0
    for end in _ENDS.finditer(text):
        before = text[max(start, end.start() - _LOOKED_AT) : end.start()]
        if not _ABBREVIATION.search(before):
            found.append(text[start : end.end()].strip())
            start = end.end()
    return [*found, text[start:].strip()] if found else [text]
