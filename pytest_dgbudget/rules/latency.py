"""The turns of a session, and how long the user waited in each: the silence before the answer.

Pure: what passes comes in with the milliseconds since the session's dial.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum

from pytest_dgbudget.model import MeasuredTurn, TurnSince
from pytest_dgbudget.rules.speech import HeardSpeech

# Who sends texts without end, and gets none of them back, needs no more to be told apart.
_MOST_INJECTED = 100
_MOST_CALLS = 1000


class AgentSpeech(Enum):
    """SPEAKING: audio since its last AgentAudioDone. INTERRUPTED: the user has begun to speak since it began."""

    SILENT = "silent"
    SPEAKING = "speaking"
    INTERRUPTED = "interrupted"


class OpenTurn:
    """A turn that is not over, or of which the user's audio is still to be read (``awaits_speech``)."""

    def __init__(self, started_ms: int, since: TurnSince, *, awaits_speech: bool, awaits_done: bool) -> None:
        self.said_ms = self.started_ms = started_ms
        self.since = since
        # The user's part is what came after this: what the agent had answered before it.
        self.after_ms = -1
        self.awaits_speech = awaits_speech
        self.awaits_done = awaits_done
        self.overlapped = awaits_done
        self.unpaced = False
        self.continued = False
        self.answered_ms: int | None = None
        self.function_ms = 0
        self.is_over = False

    def heard(self, speech: HeardSpeech) -> None:
        """Take in what the user's audio says of this part of theirs."""
        self.awaits_speech = False
        self.unpaced = speech.unpaced
        if self.overlapped:
            self.since = "audio"
        elif speech.ended_ms is not None:
            self.started_ms, self.since = speech.ended_ms, "audio"

    def record(self) -> MeasuredTurn:
        return MeasuredTurn(
            started_ms=self.started_ms,
            since=self.since,
            answered_ms=self.answered_ms,
            overlapped=self.overlapped,
            unpaced=self.unpaced,
            continued=self.continued,
            function_ms=self.function_ms,
        )


class Turns:
    """One session's turns. ``ended`` is called with each, once, in the order in which they began."""

    def __init__(self, ended: Callable[[MeasuredTurn], None]) -> None:
        self._ended = ended
        self._speech = AgentSpeech.SILENT
        self._user_speaks = False
        self._answered_said_ms = -1
        self._turns: deque[OpenTurn] = deque()
        self._waiting: OpenTurn | None = None
        self._injected: deque[str] = deque(maxlen=_MOST_INJECTED)
        self._greeting: str | None = None
        self._greets = False
        self._applied_ms: int | None = None
        self._calls: set[str] = set()
        self._called_ms = 0
        self.greeting_ms: int | None = None

    @property
    def watches_audio(self) -> bool:
        """False where more of the agent's audio changes nothing until the next text."""
        waits = self._waiting is not None and not self._waiting.awaits_done
        return waits or self._speech is AgentSpeech.SILENT

    @property
    def awaits_speech(self) -> bool:
        """True while the user's audio of a turn is still to be read."""
        return any(turn.awaits_speech for turn in self._turns)

    @property
    def awaits_answer(self) -> bool:
        """True while a turn waits for its answer."""
        return self._waiting is not None

    def settings(self, greeting: str | None) -> None:
        """Note what the agent says first; None where that is not known."""
        self._greeting = greeting

    def settings_applied(self, at_ms: int) -> None:
        self._applied_ms = at_ms
        # Unknown is a greeting, too, as long as nobody has said anything.
        self._greets = self._greeting != ""

    def user_injected(self, content: str, at_ms: int) -> None:
        """Begin a turn with an InjectUserMessage as it is passed on."""
        self._injected.append(content.strip())
        self._begin(OpenTurn(at_ms, "text", awaits_speech=False, awaits_done=self._agent_goes_on()))

    def user_said(self, content: str, at_ms: int, *, readable: bool) -> OpenTurn | None:
        """Begin a turn with a ConversationText of the user's; None for the echo of an injected text.

        Where the user's audio is ``readable``, it says when their part ended: give that to ``OpenTurn.heard``.
        """
        if self._is_echo(content):
            return None
        turn = OpenTurn(at_ms, "transcript", awaits_speech=readable, awaits_done=self._agent_goes_on())
        self._begin(turn)
        return turn

    def user_started(self) -> None:
        """Note that the user began to speak: what still comes of the agent's is the end of what it said before."""
        self._greets = False
        self._user_speaks = True
        if self._speech is AgentSpeech.SPEAKING:
            self._speech = AgentSpeech.INTERRUPTED

    def agent_injected(self) -> None:
        """Note that the agent is made to say something: without a greeting of its own, that is none."""
        self._greets = self._greets and self._greeting is not None
        self._user_speaks = False

    def agent_said(self, content: str) -> None:
        """Note a ConversationText of the agent's: what is no part of the greeting is an answer."""
        if self._greets and self._greeting is not None and content.strip() not in self._greeting:
            self._greets = False
            if self._waiting is not None and self._waiting.awaits_done and self._speech is AgentSpeech.SILENT:
                self._waiting.awaits_done = self._waiting.overlapped = False

    def agent_audio(self, at_ms: int) -> None:
        """Note audio of the agent's: the first of it is the answer to the turn that waits."""
        turn = self._waiting
        answers = turn is not None and not turn.awaits_done
        if self._speech is AgentSpeech.SILENT and (answers or not self._user_speaks):
            self._speech = AgentSpeech.SPEAKING
            self._note_greeting(at_ms)
        if turn is not None and answers:
            self._note_calls_over(at_ms)
            turn.answered_ms = at_ms
            self._answered_said_ms = turn.said_ms
            self._end(turn)

    def agent_audio_done(self, at_ms: int) -> None:
        """Note that the agent has sent all of what it says: an overlapped turn starts here."""
        self._speech = AgentSpeech.SILENT
        if self._waiting is not None and self._waiting.awaits_done:
            self._waiting.awaits_done = False
            self._waiting.started_ms = self._called_ms = at_ms
            self._waiting.function_ms = 0

    def functions_called(self, ids: Iterable[str], at_ms: int) -> None:
        """Note function calls that wait for the client."""
        if not self._calls:
            self._called_ms = at_ms
        self._calls.update(ids)
        if len(self._calls) > _MOST_CALLS:
            self._calls.clear()

    def functions_over(self, ids: Iterable[str], at_ms: int) -> None:
        """Note function calls that were answered or cancelled."""
        had_calls = bool(self._calls)
        self._calls.difference_update(ids)
        if had_calls and not self._calls:
            self._note_calls_over(at_ms, were_open=True)

    def session_ended(self) -> None:
        """End the turns that nobody answered."""
        if self._waiting is not None:
            self._end(self._waiting)

    def hand_over(self) -> None:
        """Hand over the turns that are over and read; called by whoever has read the audio of one."""
        while self._turns and self._turns[0].is_over and not self._turns[0].awaits_speech:
            self._ended(self._turns.popleft().record())

    def _agent_goes_on(self) -> bool:
        return self._speech is AgentSpeech.SPEAKING or (self._greets and bool(self._greeting))

    def _is_echo(self, content: str) -> bool:
        said = content.strip()
        if said not in self._injected:
            return False
        while self._injected.popleft() != said:
            pass
        return True

    def _begin(self, turn: OpenTurn) -> None:
        if self._waiting is not None:
            self._waiting.continued = True
            self._end(self._waiting)
        if self._speech is AgentSpeech.INTERRUPTED:
            self._speech = AgentSpeech.SILENT
        self._user_speaks = False
        if self._greeting is None:
            self._greets = False
        turn.after_ms = self._answered_said_ms
        # What was called before is the answer to something else.
        self._calls.clear()
        self._turns.append(turn)
        self._waiting = turn

    def _end(self, turn: OpenTurn) -> None:
        turn.is_over = True
        self._waiting = None
        self.hand_over()

    def _note_greeting(self, at_ms: int) -> None:
        if self._greets and self._applied_ms is not None:
            self.greeting_ms = at_ms - self._applied_ms
        self._greets = False

    def _note_calls_over(self, at_ms: int, *, were_open: bool = False) -> None:
        """Count the time of client functions to the turn that waits for its answer."""
        if self._waiting is not None and (self._calls or were_open):
            self._waiting.function_ms += at_ms - self._called_ms
        self._called_ms = at_ms
