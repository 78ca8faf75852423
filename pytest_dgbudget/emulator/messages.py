"""The message types of both directions.

Facts: the vendor's AsyncAPI file of 2026-07-22, and its official Python SDK 7.17.0 where that is newer.
"""

from __future__ import annotations

AUDIO = "(audio)"  # stands for the type of a binary message
CLIENT = (
    "FunctionCallResponse", "InjectAgentMessage", "InjectUserMessage", "KeepAlive", "Settings", "UpdateListen",
    "UpdatePrompt", "UpdateSpeak", "UpdateThink", "ForceEndTurn", "UpdateThink_Live", "__customToThinkProvider",
)  # fmt: skip
SERVER = (
    "AgentAudioDone", "AgentStartedSpeaking", "AgentThinking", "ConversationText", "Error", "FunctionCallRequest",
    "FunctionCallResponse", "History", "InjectionRefused", "LatencyReport", "ListenUpdated", "PromptUpdated",
    "SettingsApplied", "SpeakUpdated", "ThinkUpdated", "UserStartedSpeaking", "Warning", "Welcome",
    "FrustrationDetected", "FunctionCallCancelled", "ThinkLiveUpdated", "__customFromThinkProvider",
)  # fmt: skip
