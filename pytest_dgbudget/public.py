"""The names that the package offers, each loaded when it is first used; ``__init__.pyi`` has them for type checkers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "AgentAudio": "client.received",
    "AgentError": "errors",
    "AsyncSession": "client.async_session",
    "BadFunctionCall": "errors",
    "BudgetError": "errors",
    "BudgetExceeded": "errors",
    "BudgetExhausted": "errors",
    "BypassRefused": "errors",
    "CassetteError": "errors",
    "CassetteMismatch": "errors",
    "CassetteRefused": "errors",
    "CassetteTooOld": "errors",
    "ClosedSession": "plugin.hook_payloads",
    "ConversationText": "rules.vendor_messages",
    "DgBudgetError": "errors",
    "Discrepancy": "plugin.hook_payloads",
    "EndedTurn": "plugin.hook_payloads",
    "Endpoint": "client.endpoint",
    "ErrorMessage": "rules.vendor_messages",
    "ExpectTimeout": "errors",
    "FaultKind": "client.scenario",
    "FunctionCall": "rules.vendor_messages",
    "FunctionCallCancelled": "rules.vendor_messages",
    "FunctionCallRequest": "rules.vendor_messages",
    "GatewayError": "errors",
    "HandshakeRefused": "errors",
    "InjectionRefused": "rules.vendor_messages",
    "Interruption": "client.turns",
    "Latency": "client.latency",
    "LatencyExceeded": "errors",
    "LedgerError": "errors",
    "Message": "rules.vendor_messages",
    "MessageType": "rules.vendor_messages",
    "OpenedSession": "plugin.hook_payloads",
    "OverrunReport": "plugin.hook_payloads",
    "ProtocolViolated": "errors",
    "ReconciliationError": "errors",
    "Scenario": "client.scenario",
    "ScenarioFault": "client.scenario",
    "ScenarioStep": "client.scenario",
    "ScenarioTurn": "client.scenario",
    "RunReport": "plugin.hook_payloads",
    "Session": "client.session",
    "SessionClosed": "errors",
    "SettingsError": "errors",
    "Turn": "client.turns",
    "Usage": "model",
    "UsageDocument": "report.document",
    "VoiceAgent": "client.voice_agent",
    "WarningMessage": "rules.vendor_messages",
    "Welcome": "rules.vendor_messages",
}
__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pytest_dgbudget' has no attribute {name!r}")
    return getattr(import_module(f"pytest_dgbudget.{_HOME[name]}"), name)
