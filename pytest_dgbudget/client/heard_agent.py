"""What a listener hears of the agent, who sends faster than it speaks. Pure; instants are seconds of one clock.

Each frame plays when the one before it has been heard. What has not been heard when the user begins to speak is
dropped, as clients drop it; some audio may still come after that (docs/emulator-fidelity.md).
"""

from __future__ import annotations

from pytest_dgbudget.rules.audio import AudioFormat


class HeardAgent:
    """``until`` is when all that has come will have been heard, ``began`` when the present reply was first heard.

    ``heard_when_interrupted`` is how many seconds of its reply had been heard when the user last began to speak.
    """

    def __init__(self, format_: AudioFormat) -> None:
        self._format = format_
        self.until = 0.0
        self.began = 0.0
        self.heard_when_interrupted = 0.0
        self._greeting_due = False
        self._answer_due = False
        self._sending = False
        self._playing = False
        self._interrupted = False
        self._heard = 0.0  # seconds, all that plays until ``until``
        self._heard_before = 0.0  # before the present reply

    def greeting_due(self) -> None:
        """Take note that the agent is about to greet."""
        self._greeting_due = True

    def answer_due(self) -> None:
        """Take note of what the user said: the agent is about to answer."""
        self._answer_due = True
        self._interrupted = False

    def answers(self) -> None:
        """Take note of words that are no greeting: their audio is to come."""
        self._sending = self._sending or self._answer_due
        self._answer_due = False

    def nothing_due(self) -> None:
        """Take note that the agent will not answer."""
        self._greeting_due = self._answer_due = False

    def audio(self, size: int, at: float) -> None:
        """Take so many bytes of the agent's audio."""
        if self._interrupted:
            return
        self._greeting_due = False
        self._sending = True
        if not self._playing:
            self._playing = True
            self.began = max(self.until, at)
            self._heard_before = self._heard
        seconds = (self._format.milliseconds(size) or 0) / 1000
        self.until = max(self.until, at) + seconds
        self._heard += seconds

    def sent(self) -> None:
        """Take note that the reply has been sent (AgentAudioDone)."""
        self._sending = self._playing = False

    def user_started(self, at: float) -> None:
        """Take note that the user began to speak: what has not been heard is dropped."""
        self._interrupted = self.is_speaking(at)
        self._heard -= max(0.0, self.until - at)
        self.until = min(self.until, at)
        self.heard_when_interrupted = self.heard_of_reply(at)
        self.nothing_due()
        self.sent()

    @property
    def more_is_to_come(self) -> bool:
        """Whether the agent is about to speak, or has not sent all that it says."""
        return self._greeting_due or self._answer_due or self._sending

    def is_speaking(self, at: float) -> bool:
        """Whether a listener hears the agent, or will soon."""
        return self._playing or self.until > at

    def heard_of_reply(self, at: float) -> float:
        """How many seconds of the present reply have been heard."""
        return self._heard - self._heard_before - max(0.0, self.until - at)
