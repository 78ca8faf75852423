"""The forms of reusable agents and their variables, as the vendor's Python SDK 7.17.0 has them.

The list is bare, with ``agent_uuid``, as it was found live; the SDK's own form is that of the switch ``agent_list``.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_MOMENTS = {"created_at": _TEXT, "updated_at": _TEXT}
_CONTENT = {"config": {"type": "object"}, "metadata": {"type": "object", "additionalProperties": _TEXT}}


def _form(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


AGENT_FORMS: dict[str, Any] = {
    "Agent": _form(["agent_id", "config"], {"agent_id": _TEXT, **_CONTENT, **_MOMENTS}),
    "NewAgent": _form(["agent_id", "config"], {"agent_id": _TEXT, **_CONTENT}),
    "BareListOfAgents": {
        "type": "array",
        "items": _form(["agent_uuid", "config"], {"agent_uuid": _TEXT, **_CONTENT, **_MOMENTS}),
    },
    "ListOfAgents": _form(["agents"], {"agents": {"type": "array", "items": {"$ref": "#/components/schemas/Agent"}}}),
    "Variable": _form(["variable_id", "key", "value"], {"variable_id": _TEXT, "key": _TEXT, "value": {}, **_MOMENTS}),
    "ListOfVariables": _form(
        ["variables"], {"variables": {"type": "array", "items": {"$ref": "#/components/schemas/Variable"}}}
    ),
    "Nothing": _form([], {}),
}
AGENT_ANSWERS = {
    "GET /v1/projects/{}/agent-variables": "ListOfVariables",
    "POST /v1/projects/{}/agent-variables": "Variable",
    "DELETE /v1/projects/{}/agent-variables/{}": "Nothing",
    "GET /v1/projects/{}/agent-variables/{}": "Variable",
    "PATCH /v1/projects/{}/agent-variables/{}": "Variable",
    "GET /v1/projects/{}/agents": "BareListOfAgents",
    "POST /v1/projects/{}/agents": "NewAgent",
    "DELETE /v1/projects/{}/agents/{}": "Nothing",
    "GET /v1/projects/{}/agents/{}": "Agent",
    "PUT /v1/projects/{}/agents/{}": "Agent",
}
