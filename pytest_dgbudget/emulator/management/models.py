"""The models that the emulator lists (vendor's pages "List Models" and "Get a Model").

A few of the vendor's names, for clients that expect a list; their ids, versions and properties are made up, since the
emulator has no models.
"""

from __future__ import annotations

import itertools
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.request import AuthorizedRequest

_SPEECH_TO_TEXT = {"flux-general-en": "flux", "flux-general-multi": "flux", "nova-3": "nova-3"}
_TEXT_TO_SPEECH = {"aura-2-thalia-en": "aura-2"}


def list_models(request: AuthorizedRequest) -> dict[str, Any]:
    request.query.choice("include_outdated", ("true", "false"))  # none of ours is
    return _models()


def get_model(request: AuthorizedRequest) -> dict[str, Any]:
    for model in itertools.chain(*_models().values()):
        if request.ids == (model["uuid"],):
            return model
    raise Refusal(404, "MODEL_NOT_FOUND", "Model not found.")  # the emulator's choice, after PROJECT_NOT_FOUND


def _models() -> dict[str, list[dict[str, Any]]]:
    return {
        "stt": [_speech_to_text(name, family) for name, family in _SPEECH_TO_TEXT.items()],
        "tts": [_text_to_speech(name, family) for name, family in _TEXT_TO_SPEECH.items()],
    }


def _speech_to_text(name: str, family: str) -> dict[str, Any]:
    return {**_model(name, family), "batch": False, "streaming": True, "formatted_output": True}


def _text_to_speech(name: str, family: str) -> dict[str, Any]:
    return {**_model(name, family), "metadata": {"tags": ["emulated"]}}


def _model(name: str, family: str) -> dict[str, Any]:
    return {
        "name": name,
        "canonical_name": name,
        "architecture": family,
        "languages": ["multi" if name.endswith("multi") else "en"],
        "version": "emulated",
        "uuid": str(uuid5(NAMESPACE_URL, f"https://pytest-dgbudget.invalid/models/{name}")),
    }
