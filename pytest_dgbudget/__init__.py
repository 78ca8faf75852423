"""A budget for Deepgram Voice Agent sessions in pytest: metered, cut in time, closed for certain.

Importing the package imports the errors alone; the other public names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_dgbudget.errors import *  # noqa: F403 - the whole tree, as errors.__all__ has it
from pytest_dgbudget.errors import __all__ as _errors

if TYPE_CHECKING:
    from pytest_dgbudget.agent.endpoint import Endpoint as Endpoint
    from pytest_dgbudget.agent.faces import AsyncSession as AsyncSession
    from pytest_dgbudget.agent.faces import Session as Session
    from pytest_dgbudget.agent.turns import Turn as Turn
    from pytest_dgbudget.agent.voice_agent import VoiceAgent as VoiceAgent
    from pytest_dgbudget.model import Usage as Usage
    from pytest_dgbudget.rules.messages import Message as Message

_HOME = {
    "AsyncSession": "agent.faces",
    "Endpoint": "agent.endpoint",
    "Message": "rules.messages",
    "Session": "agent.faces",
    "Turn": "agent.turns",
    "Usage": "model",
    "VoiceAgent": "agent.voice_agent",
}
__all__ = [*_errors, *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
