"""Generated requests: all that the vendor's file lets a client send, and much that it does not.

Needs the extra ``conformance`` (schemathesis); without it these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.support.emulator_api import VENDOR, check, corrected, template
from tests.support.emulator_process import PATIENCE, finish, first_line, process

schemathesis = pytest.importorskip("schemathesis", reason="pip install 'pytest-dgbudget[conformance]'")

pytestmark = [pytest.mark.slow]

EXAMPLES = 40  # of each operation, of what the file allows and of what it does not
bounded = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],  # a failure names its request; the shortest one would take minutes to find
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = [(path, method) for path, methods in VENDOR["paths"].items() for method in methods]
# Where the file lets every text be, there is nothing that it does not allow.
NARROW = [
    (path, method)
    for path, method in OPERATIONS
    if path == "/v1/auth/grant" or any(each["in"] == "query" for each in VENDOR["paths"][path][method]["parameters"])
]


@pytest.fixture(scope="module")
def emulator() -> Iterator[dict[str, str]]:
    with process("--tied", "--settlement-lag", "0") as child:
        line = first_line(child)
        for _ in range(3):
            with connect(
                line["agent_url"], subprotocols=[Subprotocol("token"), Subprotocol(line["api_key"])], proxy=None
            ):
                pass
        yield line
        assert finish(child) == (0, "", "")  # it has logged no bug of its own


@pytest.fixture(scope="module")
def operations(emulator: dict[str, str]) -> Any:
    components = {"schemas": corrected(VENDOR["components"]["schemas"])}
    file = {name: VENDOR[name] for name in ("openapi", "info", "paths")}
    schema = schemathesis.openapi.from_dict({**file, "components": components})
    schema.config.update(base_url=emulator["api_url"])
    return schema


def known_ids(emulator: dict[str, str]) -> dict[str, list[str]]:
    """What there is to ask for; a key that may be deleted is made for each time it could be."""

    def ask(path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Token {emulator['api_key']}"}
        with build_opener(ProxyHandler({})).open(
            Request(emulator["api_url"] + path, data=data, headers=headers), timeout=PATIENCE
        ) as answer:
            return json.load(answer)

    project = f"/v1/projects/{emulator['project_id']}"
    spare = {"comment": "spare", "scopes": ["member"]}
    nothing = str(uuid4())
    known = {
        "project_id": [emulator["project_id"]],
        "request_id": [each["request_id"] for each in ask(f"{project}/requests")["requests"]],
        "key_id": [ask(f"{project}/keys", spare)["api_key_id"] for _ in range(3)],
        "balance_id": [each["balance_id"] for each in ask(f"{project}/balances")["balances"]],
        "model_id": [each["uuid"] for each in ask("/v1/models")["stt"]],
    }
    return {name: [*ids, nothing] for name, ids in known.items()}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_that_the_file_allows_finds_a_server_error(
    emulator: dict[str, str], operations: Any, path: str, method: str
) -> None:
    ask_much(emulator, operations[path][method.upper()], schemathesis.GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), NARROW)
def test_no_request_that_the_file_does_not_allow_finds_a_server_error(
    emulator: dict[str, str], operations: Any, path: str, method: str
) -> None:
    ask_much(emulator, operations[path][method.upper()], schemathesis.GenerationMode.NEGATIVE)


def ask_much(emulator: dict[str, str], operation: Any, mode: Any) -> None:
    requests = operation.as_strategy(generation_mode=mode)
    known = known_ids(emulator)

    @bounded
    @given(requests, st.data())
    def ask(case: Any, data: st.DataObject) -> None:
        for name in case.path_parameters or {}:
            if name in known and data.draw(st.integers(0, 3)):  # mostly: one that there is
                case.path_parameters[name] = data.draw(st.sampled_from(known[name]))
        response = case.call(headers={"Authorization": f"Token {emulator['api_key']}"}, timeout=PATIENCE)
        judge(response, f"{operation.method.upper()} {template(operation.path)}")

    ask()


def judge(response: Any, operation: str) -> None:
    assert response.status_code in (200, 400, 404, 405, 413), (response.status_code, response.text)
    if response.status_code == 200:
        check(response.json(), VENDOR["answers"][operation])
    elif response.headers["content-type"] == ["application/json"]:
        check(response.json(), "ErrorResponse")
