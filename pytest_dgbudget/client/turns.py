"""One exchange out of a session's messages: where it begins, and when it is complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_dgbudget.rules.vendor_messages import ConversationText, FunctionCallRequest, Message


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Turn:
    """A user message and the agent's whole reply: its text, its audio, and every message in between."""

    text: str
    reply: str
    audio: bytes
    messages: tuple[Message, ...]

    def __repr__(self) -> str:
        """What pytest shows when an assertion fails: of audio its length, of messages their types."""
        messages = ", ".join(message.type for message in self.messages)
        return f"Turn(text={self.text!r}, reply={self.reply!r}, audio=<{len(self.audio)} bytes>, messages=<{messages}>)"


def end_of_turn(messages: Sequence[Message], text: str, greeting: str = "") -> int | None:
    """Return how many messages make up the turn that ``text`` began; None until it is complete.

    It is complete with the AgentAudioDone after the agent's words. Words from before the agent took up the user's
    message, such as its greeting, are not a reply to it, and words before a function call are not the last ones.
    """
    replied = False
    for position in range(_taken_up(messages, text, greeting), len(messages)):
        message = messages[position]
        if isinstance(message, FunctionCallRequest):
            replied = False
        elif _is_said(message, "assistant"):
            replied = True
        elif message.type == "AgentAudioDone" and replied:
            return position + 1
    return None


def reply_of(messages: Sequence[Message], text: str, greeting: str = "") -> str:
    """Return the agent's words in a turn."""
    return " ".join(
        message.content
        for message in messages[_taken_up(messages, text, greeting) :]
        if isinstance(message, ConversationText) and message.role == "assistant"
    )


def _taken_up(messages: Sequence[Message], text: str, greeting: str) -> int:
    """Return the position after the agent's echo of the user's message, or else after its greeting."""
    for role, content in (("user", text), ("assistant", greeting)):
        for position, message in enumerate(messages):
            if _is_said(message, role, content):
                return position + 1
    return 0


def _is_said(message: Message, role: str, content: str | None = None) -> bool:
    return isinstance(message, ConversationText) and message.role == role and content in (None, message.content)
