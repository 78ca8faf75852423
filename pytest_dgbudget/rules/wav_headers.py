"""The headers that an agent's audio has in ``container: wav``: they are no speech."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A header of a WAV file, with what some writers add to it, is no longer.
_MOST_BYTES = 100


class WavHeaders:
    """Of one session's agent audio. What begins with a header, and has speech after it in one message, is speech."""

    def __init__(self) -> None:
        self._has_headers = False
        self._left = 0

    def settings(self, settings: Mapping[str, Any]) -> None:
        """Note whether the agent's audio has any."""
        output = _mapping(_mapping(settings.get("audio")).get("output"))
        self._has_headers = output.get("container") == "wav"
        self.may_begin()

    def may_begin(self) -> None:
        """Take what comes next for a header, as far as it is no longer than one."""
        self._left = _MOST_BYTES if self._has_headers else 0

    def is_one(self, size: int) -> bool:
        """Return whether so many bytes are a header, or a part of one."""
        if self._left <= 0:
            return False
        self._left -= size
        return self._left >= 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
