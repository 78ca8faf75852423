"""The user's audio in one session: sent at its pace, and followed by silence until the agent has taken the turn.

A source of audio belongs to the test's own thread and loop, and is advanced there; what it gives crosses to the I/O
thread piece by piece, as a ``UserPart``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.events import get_running_loop
from asyncio.tasks import ensure_future
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.client.audio import AudioSource, PacedAudio, Speed, audio_pieces
from pytest_dgbudget.client.spoken_text import spoken
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.rules.audio import audio_format
from pytest_dgbudget.rules.samples import silence

# Enough for any turn to end, where silence costs no time.
_TRAILING_AT_ONCE = 1.0

Source = TypeVar("Source")


class UserAudio:
    """Its coroutines run on the I/O thread. ``send`` takes one message of audio, for whoever waits for it; silence in
    the background goes to the ``websocket`` itself.

    ``skips_time``: the other end does not wait, and neither does this. ``is_emulated``: whoever hears is an emulator;
    ``is_replayed``: a cassette, which wants what was sent when it was recorded.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        send: Callable[[bytes], Awaitable[None]],
        websocket: ClientConnection,
        *,
        skips_time: bool,
        is_emulated: bool,
        is_replayed: bool = False,
    ) -> None:
        self._sent_at: float | None = None  # the loop's time
        self._format = audio_format(settings, "input")
        self._is_emulated = is_emulated
        self._is_replayed = is_replayed
        self._send = send
        self._websocket = websocket
        self._skips_time = skips_time
        self._silence: asyncio.Future[None] | None = None

    async def send(self, audio: bytes) -> None:
        """Send one message of audio."""
        self._sent_at = get_running_loop().time()
        await self._send(audio)

    def pieces(self, source: AudioSource, *, may_resample: bool) -> Iterable[bytes]:
        """Return the audio of a source, in this session's format; raises SettingsError, OSError."""
        return audio_pieces(source, self._format, may_resample=may_resample)

    def aloud(self, text: str, recording: Source | None) -> Source | bytes:
        """Return a source that says this to an emulator by the text itself, to others by the recording.

        A replay hears the recording if there is one: what was rehearsed had none.

        Raises SettingsError where there is none, OSError where its file is missing.
        """
        if isinstance(recording, (str, os.PathLike)):
            Path(recording).stat()  # else only a live run would miss it
        if self._is_emulated or (self._is_replayed and recording is None):
            return b"".join(spoken(text, self._format))
        if recording is None:
            raise SettingsError(
                f"the target is live, where nobody hears words in made-up audio: record somebody who says {text!r}, "
                'and pass that, say_aloud(…, recording="PATH.wav"); or mark the test @pytest.mark.dg_target("emulator")'
            )
        return recording

    def part(self, speed: Speed, trailing: float) -> UserPart:
        """Return a part of the user's that is followed by up to ``trailing`` seconds of silence; nothing is sent yet.

        Raises SettingsError for a bad pace.
        """
        pace = (None if self._skips_time else 1.0) if speed == "of the target" else speed
        return UserPart(self, PacedAudio(self._format, self.send, pace), trailing)

    async def fall_silent(self, trailing: float) -> None:
        """Begin to send silence: without any, no turn ends."""
        if self._skips_time:
            at_once = PacedAudio(self._format, self.send, None)
            await at_once.add(self._silence_of(min(trailing, _TRAILING_AT_ONCE)))
            await at_once.end()
        elif self._format.bytes_per_sample is not None:
            self._silence = ensure_future(self._go_on(trailing))

    def stop(self) -> None:
        """Send no more silence."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def quiet_seconds(self) -> float | None:
        """How long ago the last audio was sent; None if there was none."""
        return None if self._sent_at is None else get_running_loop().time() - self._sent_at

    async def _go_on(self, seconds: float) -> None:
        # Why a session is over, and what failed in a handler, is for whoever waits for the session.
        with contextlib.suppress(ConnectionClosed):
            in_real_time = PacedAudio(self._format, self._send_unasked, 1.0)
            await in_real_time.add(self._silence_of(seconds))
            await in_real_time.end()

    def _silence_of(self, seconds: float) -> bytes:
        return silence(self._format.encoding, round(self._format.sample_rate * seconds))

    async def _send_unasked(self, audio: bytes) -> None:
        self._sent_at = get_running_loop().time()
        await self._websocket.send(audio)


class UserPart:
    """What the user says at one go. It runs on the I/O thread.

    While one piece is sent, the next one may be made: so a source that takes less than real time causes no pause.
    """

    def __init__(self, audio: UserAudio, paced: PacedAudio, trailing: float) -> None:
        self._audio = audio
        self._paced = paced
        self._trailing = trailing
        self._sending: asyncio.Future[None] | None = None

    async def add(self, piece: bytes) -> None:
        """Begin to send what comes next, once what came before has been sent; raise what was wrong with that.

        Silence from before ends.
        """
        self._audio.stop()
        await self._sent()
        self._sending = ensure_future(self._paced.add(piece))

    async def end(self) -> None:
        """Return when the last of it was spoken; silence follows."""
        self._audio.stop()
        await self._sent()
        await self._paced.end()
        await self._audio.fall_silent(self._trailing)

    def stop(self) -> None:
        """Send no more of it, whatever became of what was sent."""
        if self._sending is not None:
            self._sending.cancel()
            self._sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())

    async def _sent(self) -> None:
        if self._sending is not None:
            await self._sending
