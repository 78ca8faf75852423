"""How long the real service was seen to take, in recordings of live sessions (docs/emulator-fidelity.md).

The numbers are those of 42 logged calls of 2025, three sentences of which were logged frame by frame, and of one
recorded call of 2026. How long a text takes to say is the emulator's own estimate, within what those recordings show.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_MS = 120  # of sound in one binary message; the last of a sentence is shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds, but for ``speed``: how many times faster than real time audio is sent.

    ``thinking_ms`` is between the user's text and the first sound, ``after_function_ms`` between a function's answer
    and that; ``first_sound_ms`` is the part of either in which speech is made.
    """

    settings_ms: int = 220
    thinking_ms: int = 1000
    after_function_ms: int = 800
    first_sound_ms: int = 100
    per_character_ms: int = 70
    shortest_ms: int = 300
    speed: float = 3.0


SEEN = Timing()
