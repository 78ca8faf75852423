"""How long to leave a server alone that could not be reached: longer after each time, up to a few seconds."""

from __future__ import annotations

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 5.0


class ReconnectPause:
    """``seconds`` is the pause before the next attempt: none before the first one."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def failed(self) -> None:
        self.seconds = min(max(2 * self.seconds, _SHORTEST_SECONDS), _LONGEST_SECONDS)

    def succeeded(self) -> None:
        self.seconds = 0.0
