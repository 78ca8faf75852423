"""What is spoken at a target: paths, credentials, and what its messages say of a session. One module per service."""

from __future__ import annotations

from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.services.service import Service

SERVICES: tuple[Service, ...] = (DeepgramAgent(),)
