"""A budget for Deepgram Voice Agent sessions in pytest: metered, cut in time, closed for certain.

The public names are loaded when first used: every start of pytest imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_dgbudget.client.async_session import AsyncSession as AsyncSession
    from pytest_dgbudget.client.endpoint import Endpoint as Endpoint
    from pytest_dgbudget.client.latency import Latency as Latency
    from pytest_dgbudget.client.received import AgentAudio as AgentAudio
    from pytest_dgbudget.client.scenario import FaultKind as FaultKind
    from pytest_dgbudget.client.scenario import Scenario as Scenario
    from pytest_dgbudget.client.scenario import ScenarioFault as ScenarioFault
    from pytest_dgbudget.client.scenario import ScenarioStep as ScenarioStep
    from pytest_dgbudget.client.scenario import ScenarioTurn as ScenarioTurn
    from pytest_dgbudget.client.session import Session as Session
    from pytest_dgbudget.client.turns import Interruption as Interruption
    from pytest_dgbudget.client.turns import Turn as Turn
    from pytest_dgbudget.client.voice_agent import VoiceAgent as VoiceAgent
    from pytest_dgbudget.errors import *  # noqa: F403 - the whole tree, as errors.__all__ has it
    from pytest_dgbudget.model import Usage as Usage
    from pytest_dgbudget.plugin.hook_payloads import ClosedSession as ClosedSession
    from pytest_dgbudget.plugin.hook_payloads import Discrepancy as Discrepancy
    from pytest_dgbudget.plugin.hook_payloads import EndedTurn as EndedTurn
    from pytest_dgbudget.plugin.hook_payloads import OpenedSession as OpenedSession
    from pytest_dgbudget.plugin.hook_payloads import OverrunReport as OverrunReport
    from pytest_dgbudget.plugin.hook_payloads import RunReport as RunReport
    from pytest_dgbudget.report.document import UsageDocument as UsageDocument
    from pytest_dgbudget.rules.vendor_messages import ConversationText as ConversationText
    from pytest_dgbudget.rules.vendor_messages import ErrorMessage as ErrorMessage
    from pytest_dgbudget.rules.vendor_messages import FunctionCall as FunctionCall
    from pytest_dgbudget.rules.vendor_messages import FunctionCallCancelled as FunctionCallCancelled
    from pytest_dgbudget.rules.vendor_messages import FunctionCallRequest as FunctionCallRequest
    from pytest_dgbudget.rules.vendor_messages import InjectionRefused as InjectionRefused
    from pytest_dgbudget.rules.vendor_messages import Message as Message
    from pytest_dgbudget.rules.vendor_messages import MessageType as MessageType
    from pytest_dgbudget.rules.vendor_messages import WarningMessage as WarningMessage
    from pytest_dgbudget.rules.vendor_messages import Welcome as Welcome

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
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
