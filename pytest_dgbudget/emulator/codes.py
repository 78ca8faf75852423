"""The types of messages, and the vendor's Error and Warning codes, with what makes the emulator send each.

Facts: the vendor's AsyncAPI file of 2026-07-22 for the types, its page "Errors & Warnings" for the codes, and its
official Python SDK 7.17.0 where that is newer (VOICE_PROMPT_ADDED is from there). Where that page does not say what
triggers a code, the trigger is the emulator's choice; docs/emulator-fidelity.md says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AUDIO = "(audio)"  # stands for the type of a binary message
CLIENT = (
    "FunctionCallResponse", "InjectAgentMessage", "InjectUserMessage", "KeepAlive", "Settings", "UpdateListen",
    "UpdatePrompt", "UpdateSpeak", "UpdateThink", "ForceEndTurn", "UpdateThink_Live", "__customToThinkProvider",
)  # fmt: skip
SERVER = (
    "AgentAudioDone", "AgentStartedSpeaking", "AgentThinking", "ConversationText", "Error", "FunctionCallRequest",
    "FunctionCallResponse", "History", "InjectionRefused", "LatencyReport", "ListenUpdated", "PromptUpdated",
    "SettingsApplied", "SpeakUpdated", "ThinkUpdated", "UserStartedSpeaking", "Warning", "Welcome",
    "EndOfTurn", "FrustrationDetected", "FunctionCallCancelled", "ThinkLiveUpdated", "__customFromThinkProvider",
)  # fmt: skip

NOT_EMULATED = "NOT_EMULATED"  # a Warning code of the emulator's own
FAILED_TO_THINK = "FAILED_TO_THINK"  # a switch decides what it ends
SCRIPTED = "only in a scenario"  # failures of a provider or of the vendor: here they never occur by themselves

ERRORS: Mapping[str, str] = {
    "INTERNAL_SERVER_ERROR": "an agent id that is unknown, or the emulator itself failed",
    "CLIENT_MESSAGE_TIMEOUT": "no message came for as long as Limits allows",
    "UNPARSABLE_CLIENT_MESSAGE": "not JSON, of unknown type, or with a field that is missing, unknown or ill-typed",
    "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS": "another message came before Settings",
    "SETTINGS_ALREADY_APPLIED": "a second Settings",
    "INVALID_SETTINGS": "Settings or an Update message with a value that can be read and not be used",
    "FAILED_TO_START_LISTENING": SCRIPTED,
    "ASR_CONNECTION_CLOSED": SCRIPTED,
    "ASR_DRIVER_TIMEOUT": SCRIPTED,
    "USER_AUDIO_FORMAT": "the first audio is a file in another format than Settings declare",
    "FAILED_TO_SPEAK": "a voice of Deepgram's with a speed out of range",
    "SERVER_GOING_AWAY": SCRIPTED,
    "NON_EXISTENT_FUNCTION_CALLED": "FunctionCallResponse to a call that was never made",
    "AGENT_ID_NOT_SUPPORTED": SCRIPTED,
    "INVALID_AGENT_ID": "an agent id that is not a UUID; with a switch, one that is unknown",
    FAILED_TO_THINK: SCRIPTED,
    "MAXIMUM_SESSION_LENGTH_REACHED": "the session is 2 h old",
}
WARNINGS: Mapping[str, str] = {
    "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH": "after InjectionRefused, when the user spoke",
    "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH": "after InjectionRefused, when the agent was mid-turn",
    "PROMPT_TOO_LONG": "a prompt over 25,000 characters without a custom endpoint",
    "THINK_REQUEST_FAILED": SCRIPTED,
    "SPEAK_REQUEST_FAILED": SCRIPTED,
    "FUNCTION_CALL_FAILED": "a function's endpoint failed, or a call was answered twice",
    "SLOW_THINK_REQUEST": "a fault slow-think, every 5 s",
    "SLOW_SPEAK_REQUEST": SCRIPTED,
    "FORCE_END_TURN_UNSUPPORTED": "ForceEndTurn without a listen provider of version v2",
    "GPT_4O_STREAM_END_ERROR": SCRIPTED,
    "MAXIMUM_SESSION_LENGTH_APPROACHING": "the session is 1 h 55 min old",
    "VOICE_PROMPT_ADDED": SCRIPTED,
    NOT_EMULATED: "a request for something that the emulator does not do",
}


class ProtocolError(Exception):
    """Ends the session with an ``Error`` message with this ``code``.

    The journal adds ``detail``, for what the vendor's words leave out.
    """

    def __init__(self, code: str, description: str, *, detail: str | None = None) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A ``Warning`` that is sent after the acknowledgement."""

    code: str
    description: str
