"""Sessions' inspections without a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_dgbudget.gateway.clock import Clock
from pytest_dgbudget.gateway.events import Event, SessionWelcomed
from pytest_dgbudget.gateway.heard_audio import AudioMemory
from pytest_dgbudget.gateway.services.deepgram_conversation import Conversation
from pytest_dgbudget.gateway.services.service import SessionContext
from pytest_dgbudget.rules.prices import SHIPPED

from .memory import ManualClock


def terms_fields() -> dict[str, Any]:
    """What every session's terms have."""
    return {"prices": SHIPPED, "audio_memory": AudioMemory(2**20)}


@dataclass
class Told:
    """What a conversation told of its session."""

    events: list[Event] = field(default_factory=list)

    @property
    def welcomes(self) -> list[str]:
        return [event.request_id for event in self.events if isinstance(event, SessionWelcomed)]


def conversation(told: Told | None = None, *, tag: str = "tag", clock: Clock | None = None) -> Conversation:
    clock = clock or ManualClock()
    events = told or Told()
    return Conversation(
        SessionContext(
            session="s",
            dialled_ms=clock.now_ms(),
            tag=tag,
            prices=SHIPPED,
            audio_memory=AudioMemory(2**20),
            clock=clock,
            emit=events.events.append,
        )
    )
