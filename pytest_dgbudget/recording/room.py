"""How much the recordings of a run may take, by what they hold: text, and audio."""

from __future__ import annotations

_MIB = 1024 * 1024
# Of all that is recorded, and kept, at a time: what a CI server keeps of a job without complaint.
MOST_TEXT = 256 * _MIB
MOST_AUDIO = 1024 * _MIB
# Of one session. Audio in pieces of 20 ms both ways takes 20 KB of lines a second, so it lasts almost an hour.
MOST_TEXT_OF_SESSION = 64 * _MIB


class RoomFull(Exception):
    """All that may be taken has been taken; says so in a sentence."""


class Room:
    """So many bytes, of which sessions take theirs; ``what`` they are, for the sentence."""

    def __init__(self, most_bytes: int, what: str) -> None:
        self._most_bytes = most_bytes
        self._what = what
        self._taken = 0

    @property
    def full(self) -> str:
        """What is said where there is no room."""
        return f"{self._what} may take {_shown(self._most_bytes)}, and no more is written"

    def take(self, size: int) -> None:
        """Take so many bytes; raises RoomFull where they aren't left."""
        if size > self._most_bytes - self._taken:
            raise RoomFull(self.full)
        self._taken += size

    def take_up_to(self, size: int) -> int:
        """Take so many bytes, or what is left of them; return how many."""
        granted = min(size, self._most_bytes - self._taken)
        self._taken += granted
        return granted

    def give_back(self, size: int) -> None:
        self._taken -= size


class RunRoom:
    """What all recordings of a run share."""

    def __init__(
        self,
        most_text: int = MOST_TEXT,
        most_audio: int = MOST_AUDIO,
        most_text_of_session: int = MOST_TEXT_OF_SESSION,
    ) -> None:
        self.text = Room(most_text, "the texts of all recordings")
        self.audio = Room(most_audio, "the audio of all recordings")
        self._most_text_of_session = most_text_of_session

    def share(self) -> SessionRoom:
        """Return what one session takes it through."""
        return SessionRoom(self, Room(self._most_text_of_session, "the text of one session"))


class SessionRoom:
    """What one session has taken of the run's room. Its methods raise RoomFull."""

    def __init__(self, run: RunRoom, own_text: Room) -> None:
        self._run = run
        self._own_text = own_text
        self._text = 0
        self._audio = 0

    def take_text(self, size: int) -> None:
        self._own_text.take(size)
        self._run.text.take(size)
        self._text += size

    def take_audio(self, size: int) -> None:
        self._run.audio.take(size)
        self._audio += size

    def give_back(self) -> None:
        """Its files are gone."""
        self._run.text.give_back(self._text)
        self.give_back_audio()
        self._text = 0

    def give_back_audio(self) -> None:
        """Its audio is gone; its text is kept elsewhere."""
        self._run.audio.give_back(self._audio)
        self._audio = 0


def _shown(size: int) -> str:
    return f"{size / _MIB:.4g} MiB"
