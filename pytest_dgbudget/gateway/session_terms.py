"""What is known of a session before its dial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_dgbudget.gateway.heard_audio import AudioMemory
from pytest_dgbudget.gateway.returning import SessionClient
from pytest_dgbudget.gateway.run_keys import RunKey
from pytest_dgbudget.gateway.services.service import AskSkipped, Service
from pytest_dgbudget.model import ClosedBy, Mismatch, Replayed
from pytest_dgbudget.rules.prices import PriceTable

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import Recordings


class SessionReplay(Protocol):
    """What plays one session in place of a vendor."""

    @property
    def cassettes(self) -> str:
        """The folder of its test's cassettes, as reports call it."""
        ...

    @property
    def mismatch(self) -> Mismatch | None:
        """What the client did otherwise, up to now."""
        ...

    @property
    def replayed(self) -> Replayed:
        """What has become of it up to now."""
        ...

    @property
    def replayed_ms(self) -> int:
        """How much of the recorded session has been played, in milliseconds."""
        ...

    def ended(self, closed_by: ClosedBy) -> None:
        """Take in, as often as it is told, that the session is over."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTerms:
    """``idle_ms``: it is closed when nothing but keep-alives moved for this long; None is off.
    ``client`` is None for one of this test alone; any other may outlive it, and would connect again after any close but
    an ordinary one. ``audio_memory`` is what all sessions share; ``recordings`` is None where nothing is recorded.
    ``ask_skipped`` is None where time is real. ``run_key`` is what it is dialled with; None: the target's own key.
    ``replay`` is None where it is dialled.
    """

    id: str
    attempt: str
    service: Service
    tag: str
    prices: PriceTable
    audio_memory: AudioMemory
    recordings: Recordings | None = None
    idle_ms: int | None
    client: SessionClient | None = None
    ask_skipped: AskSkipped | None = None
    run_key: RunKey | None = None
    replay: SessionReplay | None = None
