"""Lines of the terminal as sentences of the page."""

from __future__ import annotations


def sentence(line: str) -> str:
    """Return a line of the terminal as a sentence; a name at its start is left as it is."""
    first = line.partition(" ")[0].rstrip(":,")
    begun = line[:1].upper() + line[1:] if first.isalpha() and first != "dgbudget" else line
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."
