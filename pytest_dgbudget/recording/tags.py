"""Take the run's tag out of Settings again: what passes has it, and what the client sent has not."""

from __future__ import annotations

from typing import Any


def without_tag(settings: dict[str, Any], tag: str) -> dict[str, Any]:
    """Return Settings as they were before ``rules.vendor_messages.with_tag``.

    Where that had to add the whole list, it stands first; elsewhere an empty list and null can't be told apart.
    """
    tags = settings.get("tags")
    if not isinstance(tags, list) or tags[-1:] != [tag]:
        return settings
    if len(tags) == 1 and next(iter(settings)) == "tags":
        return {key: value for key, value in settings.items() if key != "tags"}
    return {**settings, "tags": tags[:-1]}
