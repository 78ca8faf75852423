"""What is read of a request's row, most of whose form is not documented."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.deepgram.rows import row_of
from pytest_dgbudget.rules.comparison import NO_ID, VendorRow

CREATED_MS = 1_793_613_600_000  # 2026-11-02T10:00:00Z


def read(details: dict[str, Any] | None = None, **fields: Any) -> VendorRow:
    entry = {
        "request_id": "r",
        "created": "2026-11-02T10:00:00Z",
        "path": "/v1/agent/converse",
        "api_key_id": "key",
        "response": {"details": {"usd": 0.0125, **(details or {})}, "completed": "2026-11-02T10:00:12.5Z"},
        **fields,
    }
    row = row_of(entry)
    assert row is not None
    return row


def test_the_duration_that_is_stated_and_the_time_between_its_instants_are_two_figures() -> None:
    row = read({"duration": 10})
    assert (row.duration_ms, row.elapsed_ms, row.created_ms, row.micro_usd) == (10_000, 12_500, CREATED_MS, 12_500)
    without = read()
    assert (without.duration_ms, without.elapsed_ms, without.unreadable_duration) == (None, 12_500, None)


@pytest.mark.parametrize(
    "created",
    ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z", "2100-01-02T00:00:00Z"],
)
def test_an_instant_outside_of_the_vendors_time_is_none(created: str) -> None:
    assert (read(created=created).created_ms, read(created=created).elapsed_ms) == (None, None)


@pytest.mark.parametrize("created", ["2026-11-02T10:00:13Z", "yesterday", None, 7])
def test_instants_that_make_no_sense_give_no_time(created: object) -> None:
    assert read(created=created).elapsed_ms is None


@pytest.mark.parametrize(
    ("tags", "shown"),
    [
        (["smoke", "dgbudget-run", "dgbudget-other"], ["dgbudget-other", "dgbudget-run"]),
        ("smoke,dgbudget-run dgbudget-other", ["dgbudget-other", "dgbudget-run"]),
        (["smoke", 7, None, "DGBUDGET-run"], []),
        ([], []),
        ("", []),
        (None, None),
        ({"a": 1}, None),
    ],
    ids=str,
)
def test_of_tags_those_are_kept_that_a_run_may_have_made(tags: object, shown: list[str] | None) -> None:
    assert read({"tags": tags}).tags == (None if shown is None else set(shown))


@pytest.mark.parametrize(
    ("path", "agent"),
    [("/v1/agent/converse", True), ("/v1/listen", False), ("/v1/listen?x=agent", False), (None, None)],
)
def test_a_rows_path_says_whether_it_is_an_agents(path: str | None, agent: bool | None) -> None:
    assert read(path=path).agent is agent


@pytest.mark.parametrize("key", [None, 7, ["key"]])
def test_a_key_is_a_text_or_not_known(key: object) -> None:
    assert read().key_id == "key"
    assert read(api_key_id=key).key_id is None


@pytest.mark.parametrize(
    ("path", "details", "origin"),
    [
        ("/v1/agent/converse", {"method": "streaming"}, "/v1/agent/converse, streaming, hosted"),
        ("/v1/agent/converse", {"method": 7}, "/v1/agent/converse, hosted"),
        (None, {}, "hosted"),
        ("/v1/\x1b[31m", {}, "/v1/?[31m, hosted"),
        ("x" * 10_000, {}, "x" * 200),
    ],
)
def test_where_a_row_came_from_is_what_it_says_of_that_fit_for_a_terminal(
    path: str | None, details: dict[str, Any], origin: str
) -> None:
    response = {"details": details, "deployment": "hosted"}
    assert read(path=path, response=response).origin == origin
    assert read(path=None).origin is None


def test_rows_share_what_many_of_them_have() -> None:
    """A period has a hundred thousand."""
    one, other = (read({"tags": ["dgbudget-run"]}, api_key_id="".join(["k", "ey"])) for _ in range(2))
    assert one.tags is other.tags
    assert one.key_id is other.key_id
    assert one.origin is other.origin


@pytest.mark.parametrize("request_id", [None, 7, "", ["r"]], ids=str)
def test_a_row_without_an_id_that_can_be_read_is_kept_to_be_counted(request_id: object) -> None:
    assert read(request_id=request_id).request_id == NO_ID
    assert row_of({"request_id": request_id, "response": None}, "r") is None
