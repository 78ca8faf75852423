"""The user's audio in one session: sent at its pace, and followed by silence until the agent has taken the turn."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.events import get_running_loop
from asyncio.tasks import ensure_future
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.client.audio import AudioSource, Speed, read_audio, send_paced, silence
from pytest_dgbudget.rules.audio import AudioFormat, audio_format

# Enough for any turn to end, where silence costs no time.
_TRAILING_AT_ONCE = 1.0


class UserAudio:
    """Its coroutines run on the I/O thread. ``send`` takes one message of audio, for whoever waits for it; silence in
    the background goes to the ``websocket`` itself.

    ``skips_time``: the emulator does not wait, and neither does this.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        send: Callable[[bytes], Awaitable[None]],
        websocket: ClientConnection,
        *,
        skips_time: bool,
    ) -> None:
        self.sent_at = 0.0  # the loop's time
        self._settings = settings
        self._send = send
        self._websocket = websocket
        self._skips_time = skips_time
        self._silence: asyncio.Future[None] | None = None

    async def send(self, audio: bytes) -> None:
        """Send one message of audio."""
        self.sent_at = get_running_loop().time()
        await self._send(audio)

    async def speak(self, source: AudioSource, speed: Speed, trailing: float) -> None:
        """Send all of it, and begin to send up to ``trailing`` seconds of silence: without any, no turn ends."""
        self.stop()
        format_ = audio_format(self._settings, "input")
        pace = (None if self._skips_time else 1.0) if speed == "of the target" else speed
        await send_paced(read_audio(source, format_), format_, self.send, pace)
        if self._skips_time:
            await send_paced(silence(format_, min(trailing, _TRAILING_AT_ONCE)), format_, self.send, None)
        elif format_.bytes_per_sample is not None:
            self._silence = ensure_future(self._go_on(format_, trailing))

    def stop(self) -> None:
        """Send no more silence."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def quiet_seconds(self) -> float:
        """How long ago the last audio was sent."""
        return get_running_loop().time() - self.sent_at

    async def _go_on(self, format_: AudioFormat, seconds: float) -> None:
        # Why a session is over, and what failed in a handler, is for whoever waits for the session.
        with contextlib.suppress(ConnectionClosed):
            await send_paced(silence(format_, seconds), format_, self._send_unasked, 1.0)

    async def _send_unasked(self, audio: bytes) -> None:
        self.sent_at = get_running_loop().time()
        await self._websocket.send(audio)
