"""The vendor's side of a session in parts, one for each thing that the client began, and whether the agent is done.

A message's *kind* is its type, with what its form depends on: ``ConversationText (user)``, ``Warning (CODE)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText

AUDIO = "agent audio"
CLOSE = "the vendor's Close"
USER_TEXT, AGENT_TEXT = "ConversationText (user)", "ConversationText (assistant)"
_AGENT_SPEAKS = frozenset({AUDIO, AGENT_TEXT})

# Seen to come at times and not at others, with nothing changed (docs/cassettes.md has what says so): that one of them
# comes, or doesn't, is no drift. Nothing waits for them.
OPTIONAL = frozenset(
    {
        "AgentStartedSpeaking",
        "AgentThinking",
        "FrustrationDetected",
        "FunctionCallCancelled",
        "FunctionCallResponse",
        "InjectionRefused",
        "LatencyReport",
        "__customFromThinkProvider",
        "(lost)",
        # Warnings that tell of a moment: of load, and of who was speaking.
        "Warning (FUNCTION_CALL_FAILED)",
        "Warning (INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH)",
        "Warning (INJECT_AGENT_MESSAGE_DURING_USER_SPEECH)",
        "Warning (SLOW_SPEAK_REQUEST)",
        "Warning (SLOW_THINK_REQUEST)",
        "Warning (SPEAK_REQUEST_FAILED)",
        "Warning (THINK_REQUEST_FAILED)",
    }
)


def kind_of(payload: Any) -> str:
    """Return the kind of a server's text message, which may be any JSON."""
    if not isinstance(payload, Mapping) or not isinstance(payload.get("type"), str):
        return "a message without a type"
    name: str = payload["type"]
    if name in ("Error", "Warning"):
        return f"{name} ({payload.get('code')})"
    if name == "History" and "function_calls" in payload:
        return "History (function_calls)"
    return f"{name} ({payload.get('role')})" if name in ("ConversationText", "History") else name


class AgentOwes:
    """How many replies the agent has not finished, by what both sides have said so far.

    Each user's text, each message that the agent is to say and a greeting are owed a reply, whose end is an
    AgentAudioDone. Who speaks interrupts: then one is owed, and none ends before the user's words have come.
    """

    def __init__(self) -> None:
        self._owed = 0
        self._hears = False
        self._echoes = 0

    @property
    def is_done(self) -> bool:
        return self._owed == 0

    def client_said(self, payload: Any) -> str | None:
        """Take a client's message; return what it begins, None where that is nothing."""
        if not isinstance(payload, Mapping):
            return None
        kind = payload.get("type")
        if kind == "Settings":
            agent = payload.get("agent")
            self._owed = int(isinstance(agent, Mapping) and bool(agent.get("greeting")))
        elif kind == "InjectUserMessage":
            self._echoes += 1
            self._owed += 1
            return "a text"
        elif kind == "InjectAgentMessage":
            self._owed += 1
            return "an agent's message"
        return None

    def vendor_said(self, kind: str) -> str | None:
        """Take a message of the vendor's, or audio; return what the user has begun by speaking, None elsewhere."""
        if kind == "UserStartedSpeaking":
            return self._user_speaks(is_heard=False)
        if kind == USER_TEXT:
            return self._user_was_heard()
        if kind == "InjectionRefused" or (kind == "AgentAudioDone" and not self._hears):
            self._owed = max(0, self._owed - 1)
        return None

    def _user_speaks(self, *, is_heard: bool) -> str | None:
        goes_on = self._hears
        self._hears, self._owed = not is_heard, 1
        return None if goes_on else "speech"

    def _user_was_heard(self) -> str | None:
        """Of who did not begin to speak, it is a text that comes back."""
        if self._echoes and not self._hears:
            self._echoes -= 1
            return None
        return self._user_speaks(is_heard=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message of the vendor's, ``at_ms`` after the dial; ``payload`` is None for audio."""

    kind: str
    at_ms: int
    payload: Any = None


class SessionPart:
    """What the vendor sent since the client began something, up to the next such thing for which the agent was done.

    ``begun_by`` is what the client began: several things where the agent was not done with one before the next.
    """

    def __init__(self, begun_by: str) -> None:
        self.begun_by = [begun_by]
        self.sent: list[Sent] = []
        self.has_answer = False

    @property
    def name(self) -> str:
        return " and ".join(self.begun_by)

    @property
    def overlaps(self) -> bool:
        return len(self.begun_by) > 1

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(each.kind for each in self.sent)

    @property
    def repeated(self) -> frozenset[str]:
        """Return the kinds of which the same message came twice in succession."""
        texts = [each for each in self.sent if each.kind != "LatencyReport"]
        return frozenset(
            one.kind for one, other in pairwise(texts) if one.kind != AUDIO and one.payload == other.payload
        )

    def count(self, kind: str) -> int:
        return sum(each.kind == kind for each in self.sent)

    def begins_with(self, first: str, second: str) -> bool:
        """Return whether both came, the first of the one before the first of the other."""
        kind = next((each.kind for each in self.sent if each.kind in (first, second)), None)
        return kind == first and self.count(second) > 0


def parts_of(cassette: Cassette) -> list[SessionPart]:
    """Return a session's parts, the first of which is its start."""
    owes, parts = AgentOwes(), [SessionPart("the start")]
    was_done = False

    def begin(begun_by: str | None) -> None:
        if begun_by is None:
            return
        part = parts[-1]
        if begun_by == "speech" and part.begun_by[-1] == "speech" and not part.has_answer:
            return  # the user went on before there was any answer
        if was_done:
            parts.append(SessionPart(begun_by))
        else:
            part.begun_by.append(begun_by)
            part.has_answer = False

    for event in cassette.events:
        was_done = owes.is_done
        if event.side == "client_to_server":
            if isinstance(event, CassetteText):
                begin(owes.client_said(event.payload))
            continue
        sent = sent_by_vendor(event)
        begin(owes.vendor_said(sent.kind))
        parts[-1].sent.append(sent)
        parts[-1].has_answer = parts[-1].has_answer or sent.kind in _AGENT_SPEAKS
    return parts


def sent_by_vendor(event: Any) -> Sent:
    """Return an event of the vendor's side with its kind."""
    if isinstance(event, CassetteText):
        return Sent(kind=kind_of(event.payload), at_ms=event.at_ms, payload=event.payload)
    return Sent(kind=AUDIO, at_ms=event.at_ms)


def vendors_messages(cassette: Cassette) -> Iterator[Sent]:
    """Yield all that the vendor sent, in order."""
    return (sent_by_vendor(each) for each in cassette.events if each.side == "server_to_client")
