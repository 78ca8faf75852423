"""The tag that the gateway adds is taken out again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_dgbudget.recording.tags import without_tag
from pytest_dgbudget.rules.vendor_messages import with_tag

TAG = "dgbudget-run"


@pytest.mark.parametrize(
    "settings",
    [
        {"type": "Settings", "agent": {}},
        {"type": "Settings", "tags": []},
        {"type": "Settings", "tags": ["a", "b"], "agent": {}},
        {"tags": ["a"], "type": "Settings"},
        {"type": "Settings", "tags": "none"},
    ],
)
def test_settings_are_as_the_client_sent_them(settings: dict[str, Any]) -> None:
    passed = json.loads(with_tag(json.dumps(settings), TAG))
    recorded = without_tag(passed, TAG)
    assert recorded == settings
    assert list(recorded) == list(settings)


def test_settings_that_were_never_tagged_are_as_they_are() -> None:
    for settings in ({"tags": ["other"]}, {"tags": [TAG, "later"]}, {}):
        assert without_tag(settings, TAG) == settings
