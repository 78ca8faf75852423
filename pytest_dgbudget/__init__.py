"""A budget for Deepgram Voice Agent sessions in pytest: metered, cut in time, closed for certain.

Importing the package imports the errors alone; the other public names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_dgbudget.errors import (
    AgentError,
    BudgetExceeded,
    BudgetExhausted,
    DgBudgetError,
    ExpectTimeout,
    GatewayError,
    HandshakeRefused,
    LedgerError,
    SessionClosed,
    SettingsError,
)

if TYPE_CHECKING:
    from pytest_dgbudget.agent.endpoint import Endpoint as Endpoint
    from pytest_dgbudget.agent.faces import AsyncSession as AsyncSession
    from pytest_dgbudget.agent.faces import Session as Session
    from pytest_dgbudget.agent.turns import Turn as Turn
    from pytest_dgbudget.agent.voice_agent import VoiceAgent as VoiceAgent
    from pytest_dgbudget.model import Usage as Usage
    from pytest_dgbudget.rules.messages import Message as Message

__all__ = [
    "AgentError",
    "AsyncSession",
    "BudgetExceeded",
    "BudgetExhausted",
    "DgBudgetError",
    "Endpoint",
    "ExpectTimeout",
    "GatewayError",
    "HandshakeRefused",
    "LedgerError",
    "Message",
    "Session",
    "SessionClosed",
    "SettingsError",
    "Turn",
    "Usage",
    "VoiceAgent",
]

_HOME = {
    "AsyncSession": "pytest_dgbudget.agent.faces",
    "Endpoint": "pytest_dgbudget.agent.endpoint",
    "Message": "pytest_dgbudget.rules.messages",
    "Session": "pytest_dgbudget.agent.faces",
    "Turn": "pytest_dgbudget.agent.turns",
    "Usage": "pytest_dgbudget.model",
    "VoiceAgent": "pytest_dgbudget.agent.voice_agent",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
