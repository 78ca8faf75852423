"""The Settings message: from the default agent, a file, or a dict."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS, load_settings
from pytest_dgbudget.errors import SettingsError

TOML = 'tags = ["a"]\n[agent]\ngreeting = "hi"\n'
PARSED = {"type": "Settings", "tags": ["a"], "agent": {"greeting": "hi"}}


def test_without_any_it_is_a_small_default_agent() -> None:
    settings = load_settings(None, None, ())
    assert settings == DEFAULT_SETTINGS
    assert settings["type"] == "Settings"
    assert settings["agent"].keys() >= {"listen", "think", "speak"}


def test_the_default_stays_as_it_is_whatever_becomes_of_what_was_given() -> None:
    before = copy.deepcopy(DEFAULT_SETTINGS)
    load_settings(None, None, ["t"])["agent"]["greeting"] = "changed"
    assert before == DEFAULT_SETTINGS


def test_a_dict_stays_as_it_is_and_gains_its_type() -> None:
    given: dict[str, Any] = {"agent": {"speak": {}}, "tags": ["a"]}
    before = copy.deepcopy(given)
    settings = load_settings(given, None, ["b"])
    settings["agent"]["speak"]["x"] = 1
    assert given == before
    assert (settings["type"], settings["tags"]) == ("Settings", ["a", "b"])


@pytest.mark.parametrize(("name", "text"), [("agent.toml", TOML), ("agent.json", json.dumps(PARSED))])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_file_is_read_by_its_kind(tmp_path: Path, name: str, text: str, as_text: bool) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert load_settings(str(path) if as_text else path, None, ()) == PARSED
    assert load_settings(None, path, ()) == PARSED


def test_the_configured_agent_is_read_where_a_test_has_files_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "agent.json"
    file.write_text('{"agent": {}}', encoding="utf-8")
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(Path, "read_text", None)
    assert load_settings(None, file, ()) == {"type": "Settings", "agent": {}}


def test_what_connect_is_given_beats_the_ini_key(tmp_path: Path) -> None:
    assert load_settings({"agent": {}}, tmp_path / "missing.json", ()) == {"type": "Settings", "agent": {}}


@pytest.mark.parametrize(
    ("before", "after"), [({}, ["a", "b"]), ({"tags": None}, ["a", "b"]), ({"tags": ["x"]}, ["x", "a", "b"])]
)
def test_tags_are_added_to_its_own(before: dict[str, Any], after: list[str]) -> None:
    assert load_settings(before, None, ("a", "b"))["tags"] == after


def test_without_tags_none_appear() -> None:
    assert "tags" not in load_settings({}, None, ())


def test_a_string_is_not_a_list_of_tags() -> None:
    with pytest.raises(SettingsError, match="list"):
        load_settings({}, None, "smoke")


@pytest.mark.parametrize("tags", ["smoke", 5])
def test_tags_can_only_be_added_to_a_list(tags: Any) -> None:
    with pytest.raises(SettingsError):
        load_settings({"tags": tags}, None, ["t"])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b"{", "not valid JSON or TOML"),
        ("a.json", b"\xff", "not valid JSON or TOML"),
        ("a.toml", b"= 1", "not valid JSON or TOML"),
        ("a.json", b"[1]", "does not hold a JSON object"),
        ("a.json", b"null", "does not hold a JSON object"),
    ],
)
@pytest.mark.parametrize("from_ini", [True, False])
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, name: str, content: bytes, reason: str, from_ini: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=reason) as refused:
        load_settings(None if from_ini else path, path if from_ini else None, ())
    assert str(path) in str(refused.value)
    assert str(refused.value).startswith("dg_agent_settings:" if from_ini else "settings:")


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="can't be read") as refused:
        load_settings(tmp_path / name, None, ())
    assert str(tmp_path / name) in str(refused.value)
