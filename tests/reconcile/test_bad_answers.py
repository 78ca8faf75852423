"""Whatever the management API answers, the end comes in time, says what could not be checked, and keeps the key."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme

from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from tests.support.comparison import KEY, Comparison, billed, kinds, own
from tests.support.statement import PROJECT, Answer, Asked, Bill, refusal

CALLS = ["projects", "list", "get", "usage", "billing"]
PERMANENT = [
    refusal(400, "Bad Request", "no"),
    Answer.json({"category": "INVALID_JSON", "message": "no", "details": "nothing", "request_id": "x"}, 400),
    refusal(401, "INVALID_AUTH", "Invalid credentials."),
    refusal(401, "INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions."),
    refusal(402, "ASR_PAYMENT_REQUIRED", "Project does not have enough credits"),
    refusal(403, "INSUFFICIENT_PERMISSIONS", "Project does not have access"),
    refusal(403, "FORBIDDEN", "Insufficient permissions."),
    refusal(404, "PROJECT_NOT_FOUND", "Project not found."),
    Answer(b"I'm a teapot", 418),
    Answer(b"", 302, {"Location": "https://elsewhere.example/"}),
    Answer(b"", 204),
]
TEMPORARY = [refusal(status, "LATER", "later") for status in (408, 429, 500, 503)]


def failing(bill: Bill, call: str, answer: Answer) -> None:
    """Let one call be answered so; a single request is asked for where the list has nothing."""
    bill.entries = lambda: [billed("r", 10)]
    if call == "get":
        bill.overrides["list"] = lambda _: Answer.json({"page": 0, "limit": 1000, "requests": []})
    bill.overrides[call] = lambda _: answer


def within(seconds: float, ask: Callable[[], Reconciliation]) -> Reconciliation:
    begun = time.monotonic()
    result = ask()
    assert time.monotonic() - begun < seconds
    assert KEY not in json.dumps([result.reasons, [str(line) for line in result.lines]])
    return result


@pytest.mark.parametrize(
    ("call", "answer"),
    # Of a single request, a 404 says that it is not there.
    [(call, answer) for call in CALLS for answer in PERMANENT if (call, answer.status) != ("get", 404)],
    ids=lambda each: each if isinstance(each, str) else f"{each.status} {each.body[13:30].decode()}",
)
def test_a_refusal_of_any_call_is_inconclusive_and_said_at_once(bill: Bill, call: str, answer: Answer) -> None:
    failing(bill, call, answer)
    result = within(5, lambda: Comparison(bill).of(own("r", 10)))
    assert result.verdict == "inconclusive"
    assert any(f"HTTP {answer.status}" in reason for reason in result.reasons), result.reasons
    assert len(bill.calls(call)) == 1
    if answer.status in (401, 403):
        scope = "billing:read" if call == "billing" else "usage:read"
        is_wrong = b"INVALID_AUTH" in answer.body
        to_do = "set a key that is valid" if is_wrong else f"does the key have the scope {scope}?"
        assert any(to_do in reason for reason in result.reasons)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", TEMPORARY, ids=lambda answer: str(answer.status))
def test_a_temporary_failure_of_any_call_is_tried_again_until_the_time_is_over(
    bill: Bill, call: str, answer: Answer
) -> None:
    failing(bill, call, answer)
    result = within(5, lambda: Comparison(bill, timeout=0.6).of(own("r", 10)))
    assert result.verdict == "inconclusive"
    assert any(f"HTTP {answer.status}: LATER: later" in reason for reason in result.reasons), result.reasons
    assert len(bill.calls(call)) > 1


@pytest.mark.parametrize("call", CALLS)
def test_a_temporary_failure_that_passes_leaves_no_trace(bill: Bill, call: str) -> None:
    failing(bill, call, refusal(503, "LATER", "later"))
    bill.overrides[call] = lambda _: refusal(503, "LATER", "later") if len(bill.calls(call)) < 3 else None
    result = Comparison(bill).of(own("r", 10))
    assert (result.verdict, result.reasons) == ("reconciled", ())


def test_retry_after_is_waited_for(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    at: list[float] = []

    def usage(asked: Asked) -> Answer | None:
        at.append(time.monotonic())
        return refusal(429, "TOO_MANY_REQUESTS", "", Retry_After="1") if len(at) == 1 else None

    bill.overrides["usage"] = usage
    assert Comparison(bill).of(own("r", 10)).verdict == "reconciled"
    assert at[1] - at[0] >= 1


@pytest.mark.parametrize(
    "header", ["3600", "Wed, 01 Jan 2098 00:00:00 GMT", "soon", "-1", "9" * 6000, "Mon, 01 Jan 99999 00:00:00 GMT"]
)
def test_retry_after_never_makes_a_run_longer(bill: Bill, header: str) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["list"] = lambda _: refusal(429, "TOO_MANY_REQUESTS", "", Retry_After=header)
    assert within(5, lambda: Comparison(bill, timeout=0.5).of(own("r", 10))).verdict == "inconclusive"


def test_a_retry_that_is_asked_for_within_the_time_is_made_then_and_not_before(bill: Bill) -> None:
    """Even where that is longer than the list's own part of it."""
    bill.entries = lambda: [billed("r", 10)]
    at: list[float] = []

    def listed(asked: Asked) -> Answer | None:
        at.append(time.monotonic())
        return refusal(429, "TOO_MANY_REQUESTS", "", Retry_After="2") if len(at) == 1 else None

    bill.overrides["list"] = listed
    result = within(5, lambda: Comparison(bill, timeout=3).of(own("r", 10)))
    assert (result.verdict, result.reasons) == ("reconciled", ())
    assert len(at) == 2
    assert at[1] - at[0] >= 2


def test_a_retry_that_is_asked_for_after_the_end_is_not_made(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["list"] = lambda _: refusal(429, "TOO_MANY_REQUESTS", "", Retry_After="60")
    result = within(5, lambda: Comparison(bill).of(own("r", 10)))
    assert (kinds(result), result.verdict) == (["matched"], "inconclusive")
    assert "it asks to retry after 60s" in result.reasons[0]
    assert len(bill.calls("list")) == 1


@pytest.mark.slow
def test_a_list_that_hangs_leaves_time_to_ask_for_ours(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["list"] = _hang
    result = within(10, lambda: Comparison(bill, timeout=3).of(own("r", 10)))
    assert (kinds(result), result.hours.verdict, result.verdict) == (["matched"], "reconciled", "inconclusive")


def _hang(asked: Asked) -> Answer:
    time.sleep(5)
    return Answer(b"")


NO_JSON = [b"", b"<html>", b"\xff\xfe\x00", b"[]", b"null", b"7", b'"x"', b'{"a":', b"[" * 100_000, b"\x1f\x8b\x08\x00"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_object_is_inconclusive(bill: Bill, call: str, body: bytes) -> None:
    failing(bill, call, Answer(body))
    result = within(5, lambda: Comparison(bill).of(own("r", 10)))
    assert result.verdict == "inconclusive"
    assert any("not a JSON object" in reason for reason in result.reasons)


WRONG = [{}, {"requests": 7, "results": 7, "projects": 7}, {"requests": [7], "results": [7], "projects": [7]}]


@pytest.mark.parametrize("call", ["projects", "list", "usage", "billing"])
@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
def test_a_body_of_another_form_is_inconclusive(bill: Bill, call: str, body: object) -> None:
    failing(bill, call, Answer.json(body))
    result = within(5, lambda: Comparison(bill).of(own("r", 10)))
    assert result.verdict == "inconclusive"
    assert any("can't be read" in reason for reason in result.reasons)


@pytest.mark.parametrize("figure", [None, "many", -1, True, 1e300])
def test_a_breakdown_without_a_figure_is_inconclusive(bill: Bill, figure: object) -> None:
    entry = {"agent_hours": figure, "grouping": {"tags": ["dgbudget-run"]}}
    failing(bill, "usage", Answer.json({"results": [entry]}))
    result = Comparison(bill).of(own("r", 10))
    assert (result.hours.verdict, result.verdict) == ("inconclusive", "inconclusive")


@pytest.mark.parametrize("call", CALLS)
def test_a_huge_body_is_not_read_to_its_end(bill: Bill, call: str) -> None:
    failing(bill, call, Answer(b'{"x":"' + b"x" * 33 * 2**20 + b'"}'))
    result = within(20, lambda: Comparison(bill).of(own("r", 10)))
    assert result.verdict == "inconclusive"
    assert any("the answer is over 32 MiB" in reason for reason in result.reasons)


def test_pages_that_are_the_same_again_and_again_end(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    page = Answer.json({"page": 0, "limit": 1, "requests": [billed("r", 10).row()]})
    bill.overrides["list"] = lambda _: page
    result = within(5, lambda: Comparison(bill).of(own("r", 10)))
    assert (kinds(result), result.verdict) == (["matched"], "inconclusive")
    assert "a page has only rows of earlier pages" in result.reasons[0]
    assert len(bill.calls("list")) <= 4


def test_pages_that_never_end_leave_time_to_ask_for_ours(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]

    def page(asked: Asked) -> Answer:
        row = {"request_id": f"x{len(bill.asked)}"}
        return Answer.json({"page": 0, "limit": 1, "requests": [row]})

    bill.overrides["list"] = page
    result = within(5, lambda: Comparison(bill, timeout=1).of(own("r", 10)))
    assert (kinds(result), result.verdict, result.hours.verdict) == (["matched"], "inconclusive", "reconciled")
    assert "too many requests to read them all" in result.reasons[0]


@pytest.mark.slow
def test_a_project_with_a_hundred_thousand_requests_that_day_is_read_whole(bill: Bill) -> None:
    ours = billed("r", 10)
    bill.entries = lambda: [ours]
    row, begun = ours.row(), datetime.now(timezone.utc)

    def page(asked: Asked) -> Answer:
        number = int(asked.value("page", "0"))
        at = (begun - timedelta(seconds=number)).isoformat()
        rows = [{**row, "request_id": f"x{number}-{n}", "created": at, "response": None} for n in range(1000)]
        rows = [row] if number == 100 else rows
        return Answer.json({"page": number, "limit": 1000, "requests": rows})

    bill.overrides["list"] = page
    result = within(30, lambda: Comparison(bill, timeout=30).of(own("r", 10)))
    assert (kinds(result), result.verdict) == (["matched"], "reconciled")
    assert len(bill.calls("list")) == 101


# Project, key and address ---------------------------------------------------------------------------------------------


def test_the_keys_only_project_is_used_and_a_given_one_is_not_looked_for(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    assert Comparison(bill).of(own("r", 10)).project == PROJECT
    assert Comparison(bill, project="mine").of(own("r", 10)).project == "mine"
    assert len(bill.calls("projects")) == 1
    assert bill.calls("list")[-1].path == "/v1/projects/mine/requests"


@pytest.mark.parametrize(("projects", "said"), [([], "no project"), (["a", "b"], "2 projects (a, b)")])
def test_without_just_one_project_somebody_has_to_name_one(bill: Bill, projects: list[str], said: str) -> None:
    bill.projects = projects
    result = within(5, lambda: Comparison(bill).of(own("r", 10)))
    assert (kinds(result), result.verdict) == (["pending"], "inconclusive")
    said = f"the project's requests were not all read: the key sees {said}; name one with --dg-project"
    assert result.reasons == (said,)


def test_what_could_not_be_asked_for_is_not_missing(bill: Bill) -> None:
    for call in ("list", "get", "usage"):
        bill.overrides[call] = lambda _: refusal(403, "INSUFFICIENT_PERMISSIONS", "")
    result = Comparison(bill, grace=0).of(own("r", 10, ago=1000))
    assert (kinds(result), result.verdict) == (["pending"], "inconclusive")


def test_an_answer_that_has_the_key_is_shown_without_it(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["list"] = lambda asked: Answer(f"you said {asked.authorization}\x1b[31m\n".encode(), 400)
    result = Comparison(bill).of(own("r", 10))
    assert "you said Token ***" in result.reasons[0]
    assert KEY not in str(result)
    assert result.reasons[0].isprintable()


@pytest.mark.parametrize("at", [*range(0, 80, 7), *range(280, 320, 5), 4090])
def test_a_key_is_hidden_wherever_a_long_answer_is_cut(bill: Bill, at: int) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["list"] = lambda _: Answer(b"x" * at + KEY.encode(), 400)
    bill.overrides["usage"] = lambda _: Answer(b"x" * at + KEY.encode())
    said = str(Comparison(bill).of(own("r", 10)))
    assert KEY[:8] not in said


def test_a_project_that_is_not_there_says_nothing_of_its_requests(bill: Bill) -> None:
    for call in ("list", "get", "usage", "billing"):
        bill.overrides[call] = lambda _: Answer(b"UUID parsing failed: invalid length", 404)
    result = within(5, lambda: Comparison(bill, project="wrong", grace=0).of(own("r", 10, ago=1000)))
    assert (kinds(result), result.verdict) == (["pending"], "inconclusive")
    assert "UUID parsing failed" in result.reasons[0]


@pytest.mark.parametrize("project", [KEY, "../x", "a b", "\x1b[31m", ""])
def test_a_project_id_that_is_not_valid_is_not_used(bill: Bill, project: str) -> None:
    bill.projects = [project]
    result = within(5, lambda: Comparison(bill).of(own("r", 10)))
    assert (result.project, result.verdict) == (None, "inconclusive")


@pytest.mark.parametrize("body", [{}, {"response": {"x": 1}}, {"request": {"response": {"x": 1}}}, {"request_id": "q"}])
def test_a_single_request_that_does_not_say_which_is_none(bill: Bill, body: object) -> None:
    bill.overrides["get"] = lambda _: Answer.json(body)
    assert kinds(Comparison(bill, timeout=0.3).of(own("r", 10))) == ["pending"]


def test_the_key_follows_no_redirect(bill: Bill) -> None:
    with Bill(KEY) as elsewhere:
        bill.overrides["projects"] = lambda _: Answer(b"", 307, {"Location": f"{elsewhere.url}/v1/projects"})
        assert Comparison(bill).of(own("r", 10)).verdict == "inconclusive"
        assert elsewhere.asked == []


@pytest.mark.parametrize("request_id", ["../keys", "..", ".", "a/b", "a?b=c", "", "x" * 201, "é\n"])
def test_an_id_that_is_not_valid_never_becomes_a_path(bill: Bill, request_id: str) -> None:
    result = Comparison(bill, timeout=0.2).of(own(request_id, 10))
    assert kinds(result) == ["pending"]
    assert {asked.call for asked in bill.asked} <= {"projects", "list", "usage"}


def test_a_loopback_api_is_asked_without_the_proxy_of_the_environment(
    bill: Bill, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    bill.entries = lambda: [billed("r", 10)]
    assert Comparison(bill).of(own("r", 10)).verdict == "reconciled"


def test_another_api_is_asked_through_the_proxy_of_the_environment(bill: Bill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", bill.url)
    Comparison(bill, url="http://api.invalid", timeout=0.5).of(own("r", 10))
    assert bill.asked


def test_an_address_where_nothing_listens(bill: Bill) -> None:
    result = within(5, lambda: Comparison(bill, url="http://127.0.0.1:1", timeout=0.6).of(own("r", 10)))
    assert result.verdict == "inconclusive"
    assert "http://127.0.0.1:1 can't be reached: ConnectionRefusedError" in result.reasons[0]


def test_a_server_that_accepts_and_says_nothing(bill: Bill) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = within(5, lambda: Comparison(bill, url=url, timeout=0.6).of(own("r", 10)))
    assert result.verdict == "inconclusive"
    assert "can't be reached" in result.reasons[0]


def test_a_server_that_nobody_vouches_for_is_not_given_the_key(bill: Bill, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with Bill(KEY, tls=context) as secret:
        result = within(5, lambda: Comparison(secret).of(own("r", 10)))
        assert result.verdict == "inconclusive"
        assert "CERTIFICATE_VERIFY_FAILED" in result.reasons[0]
        assert secret.asked == []
