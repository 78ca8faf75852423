"""What a listener hears of the agent, who sends faster than it speaks. Pure; instants are seconds of one clock.

Each frame plays when the one before it has been heard. What has not been heard when the user begins to speak is
dropped, as clients drop it; some audio may still come after that (docs/emulator-fidelity.md).
"""

from __future__ import annotations

from pytest_dgbudget.rules.audio import AudioFormat

# Who has begun to speak, or has spoken, is given so long for a transcript: it may have been noise.
TRANSCRIPT_SECONDS = 3.0


class HeardAgent:
    """``until`` is when all that has come will have been heard, ``began`` when the present reply was first heard.

    ``transcript_due_until`` is how long the agent may take to say what the user said.
    ``heard_when_interrupted`` is how many seconds of its reply had been heard when the user last began to speak.
    """

    def __init__(self, format_: AudioFormat) -> None:
        self._format = format_
        self.until = 0.0
        self.began = 0.0
        self.heard_when_interrupted = 0.0
        self.transcript_due_until = 0.0
        self._greeting_due = False
        self._echo_due = False
        self._answer_due = False
        self._sending = False
        self._playing = False
        self._interrupted = False
        self._done_since_interruption = False
        self._heard = 0.0  # seconds, all that plays until ``until``
        self._heard_before = 0.0  # before the present reply

    def greeting_due(self) -> None:
        """Take note that the agent is about to greet."""
        self._greeting_due = True

    def text_injected(self) -> None:
        """Take note of a text in the user's place, which the agent repeats before it answers."""
        self._echo_due = True

    def injection_refused(self) -> None:
        """Take note that the agent will not answer that text."""
        self._echo_due = False

    def agent_message_injected(self) -> None:
        """Take note that the agent is made to speak, whatever the user interrupted before."""
        self._interrupted = False

    def user_spoke(self, at: float) -> None:
        """Take note that the user has finished a part of theirs."""
        self.transcript_due_until = at + TRANSCRIPT_SECONDS

    def answer_due(self) -> None:
        """Take note of what the user said: the agent is about to answer."""
        self._answer_due = True
        self._echo_due = self._interrupted = False
        self.transcript_due_until = 0.0

    def says(self, *, is_greeting: bool) -> None:
        """Take note of words of the agent's: their audio is to come."""
        if self._interrupted and self._done_since_interruption:
            self._interrupted = False
        if not is_greeting and self._answer_due:
            self._answer_due = False
            self._sending = True

    def nothing_due(self) -> None:
        """Take note that the agent will not answer."""
        self._greeting_due = self._echo_due = self._answer_due = False
        self.transcript_due_until = 0.0

    def audio(self, size: int, at: float) -> bool:
        """Take so many bytes of the agent's audio; return whether a reply begins with them."""
        if self._interrupted:
            return False
        begins = not self._playing
        self._greeting_due = False
        self._sending = self._playing = True
        if begins:
            self.began = max(self.until, at)
            self._heard_before = self._heard
        seconds = (self._format.milliseconds(size) or 0) / 1000
        self.until = max(self.until, at) + seconds
        self._heard += seconds
        return begins

    def sent(self) -> None:
        """Take note that the reply has been sent (AgentAudioDone)."""
        self._sending = self._playing = False
        self._done_since_interruption = True

    def user_started(self, at: float) -> None:
        """Take note that the user began to speak: what has not been heard is dropped."""
        self._interrupted = self.is_speaking(at)
        self._heard -= max(0.0, self.until - at)
        self.until = min(self.until, at)
        self.heard_when_interrupted = self.heard_of_reply(at)
        self.nothing_due()
        self.sent()
        self._done_since_interruption = False
        self.transcript_due_until = at + TRANSCRIPT_SECONDS

    def more_is_to_come(self, at: float) -> bool:
        """Whether the agent is about to speak, has not sent all that it says, or is listening to the user."""
        due = self._greeting_due or self._echo_due or self._answer_due
        return due or self._sending or at < self.transcript_due_until

    def is_speaking(self, at: float) -> bool:
        """Whether a listener hears the agent, or will soon."""
        return self._playing or self.until > at

    def heard_of_reply(self, at: float) -> float:
        """How many seconds of the present reply have been heard."""
        return max(0.0, self._heard - self._heard_before - max(0.0, self.until - at))
