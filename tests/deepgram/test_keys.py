"""Keys that are made, listed and deleted over HTTP: at the emulator, and at a server that answers as told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_dgbudget.deepgram.keys import KeysApi
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.model import ApiAccess
from tests.support.emulator_process import first_line, process
from tests.support.statement import PROJECT, Answer, Asked, Bill, refusal

GIVEN = "the-secret-key-of-the-tests"
MADE = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def bill() -> Iterator[Bill]:
    with Bill(GIVEN) as server:
        yield server


def keys_of(bill: Bill, seconds: float = 10) -> KeysApi:
    return KeysApi(ApiAccess(api_url=bill.url, project=PROJECT, key=GIVEN), Timeout(seconds))


def make(api: KeysApi) -> Any:
    return api.make(comment="dgbudget r", tags=["dgbudget-r"], scopes=["usage:write"], ttl_seconds=86_400)


def failure(call: Callable[[], object]) -> ReconciliationError:
    with pytest.raises(ReconciliationError) as caught:
        call()
    assert GIVEN not in str(caught.value)
    assert MADE not in str(caught.value)
    return caught.value


def test_a_key_is_made_as_asked_listed_without_its_secret_and_deleted() -> None:
    with process() as emulator:
        where = first_line(emulator)
        api = KeysApi(ApiAccess(api_url=where["api_url"], project=None, key=where["api_key"]), Timeout(30))
        api.find_project()
        made = make(api)
        assert made.secret.startswith("dgemu_")
        assert made.secret not in repr(made)
        (listed,) = [key for key in api.listed() if key.id == made.id]
        assert listed.comment == "dgbudget r"
        assert listed.created is not None
        api.delete(made.id)
        assert made.id not in [key.id for key in api.listed()]
        api.delete(made.id)  # it is gone, and that is all that was wanted


def test_the_body_has_the_vendors_fields_and_one_of_its_two_ends(bill: Bill) -> None:
    bill.overrides["keys"] = lambda _: Answer.json({"api_key_id": "id", "key": MADE})
    assert make(keys_of(bill)).secret == MADE
    (asked,) = bill.calls("keys")
    assert asked.method == "POST"
    assert asked.path == f"/v1/projects/{PROJECT}/keys"
    assert json.loads(asked.body) == {
        "comment": "dgbudget r",
        "tags": ["dgbudget-r"],
        "scopes": ["usage:write"],
        "time_to_live_in_seconds": 86_400,
    }


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_a_key_is_asked_for_once_whatever_the_answer(bill: Bill, status: int) -> None:
    bill.overrides["keys"] = lambda _: refusal(status, "NO", "No.")
    error = failure(lambda: make(keys_of(bill)))
    assert error.status == status
    assert len(bill.calls("keys")) == 1
    assert ("does the key have the scope keys:write?" in str(error)) == (status in {401, 403})


@pytest.mark.parametrize(
    "body",
    [
        [MADE],
        MADE,
        {"key": MADE},
        {"api_key_id": "id"},
        {"api_key_id": 1, "key": MADE},
        {"api_key_id": "a/b", "key": MADE},
        {"api_key_id": "id", "key": f"{MADE}\r\nX: y"},
        {"api_key_id": "id", "key": ""},
    ],
)
def test_an_answer_without_a_usable_key_is_an_error_that_repeats_nothing_of_it(bill: Bill, body: object) -> None:
    bill.overrides["keys"] = lambda _: Answer.json(body)
    failure(lambda: make(keys_of(bill)))


def test_an_answer_that_is_cut_off_is_not_repeated(bill: Bill) -> None:
    whole = Answer.json({"api_key_id": "id", "key": MADE})
    bill.overrides["keys"] = lambda _: Answer(whole.body[:-5])
    failure(lambda: make(keys_of(bill)))


def test_deleting_is_tried_again_where_that_may_help(bill: Bill) -> None:
    def answer(asked: Asked) -> Answer:
        return refusal(503, "DOWN", "Down.") if len(bill.calls("keys")) == 1 else Answer.json({"message": "done"})

    bill.overrides["keys"] = answer
    keys_of(bill).delete("id")
    assert [(asked.method, asked.path) for asked in bill.calls("keys")] == 2 * [
        ("DELETE", f"/v1/projects/{PROJECT}/keys/id")
    ]


def test_deleting_that_stays_refused_is_an_error(bill: Bill) -> None:
    bill.overrides["keys"] = lambda _: refusal(503, "DOWN", "Down.")
    assert failure(lambda: keys_of(bill, 0.5).delete("id")).temporary
    bill.overrides["keys"] = lambda _: refusal(403, "FORBIDDEN", "No.")
    assert failure(lambda: keys_of(bill).delete("id")).status == 403


def test_what_is_listed_without_an_id_is_no_key_and_without_a_comment_has_none(bill: Bill) -> None:
    entries = [
        {"api_key_id": "a"},
        {"api_key_id": "b", "comment": 7},
        {"api_key_id": "\x1b[31m"},
        {"comment": "c"},
        None,
    ]
    bill.overrides["keys"] = lambda _: Answer.json({"api_keys": [{"api_key": entry} for entry in entries]})
    assert [(key.id, key.comment, key.created) for key in keys_of(bill).listed()] == [("a", "", None), ("b", "", None)]
