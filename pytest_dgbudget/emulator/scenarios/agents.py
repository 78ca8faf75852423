"""Reusable agents, which Settings name by an id: a JSON file of ``{id: agent}``. Pure, except for reading it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_dgbudget.emulator.files import require_file

Agents = Mapping[str, Mapping[str, Any]]  # by their id, as UUIDs are written; each as `agent` in Settings


def read_agents(path: Path) -> Agents:
    """Return the agents of a file; raises ValueError with the reason."""
    try:
        require_file(path)
        agents = json.loads(path.read_bytes())
        if not isinstance(agents, dict) or not all(isinstance(agent, dict) for agent in agents.values()):
            raise ValueError("it is not a JSON object of objects")
        return {str(uuid.UUID(agent_id)): agent for agent_id, agent in agents.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"can't read reusable agents from {path}: {error}") from None
