"""The emulator's own REST calls: whatever is sent to them, they say what is wrong with it."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from pytest_dgbudget.client.scenario import FaultKind
from pytest_dgbudget.emulator.faults.kinds import KINDS, BadFault, read_fault
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import ask

FAULTS = "/emulator/v1/grants/default/faults"

# Bodies, and what is said of them.
BAD_FAULTS = {
    "": "the body is not JSON",
    "[" * 60_000: "nested too deeply",
    "[]": "the body is not a JSON object",
    "{}": "kind: None is no fault; there are: refuse, ",
    '{"kind": []}': "kind: [] is no fault",
    '{"kind": {"a": 1}}': "kind: {'a': 1} is no fault",
    '{"kind": "bill-slow", "delay": 1%s}' % ("0" * 400): "0000000000 is longer than ten years",
    '{"kind": "bill-slow", "delay": "1%s"}' % ("0" * 400): "is longer than ten years",
    '{"kind": "bill-slow", "delay": NaN}': "delay: 'nan' is not a time",
    '{"kind": "bill-wrong", "factor": 1%s}' % ("0" * 400): "is not a number from 0 to 1000",
    '{"kind": "drop", "at": ""}': "at: '' is no type of message; there are: (audio), ",
    '{"kind": "drop", "at": "SettingApplied"}': "no type of message; did you mean SettingsApplied?",
    '{"kind": "refuse", "code": ""}': "code: the text is empty",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("body", BAD_FAULTS, ids=lambda body: body[:40])
async def test_a_bad_fault_is_refused_with_what_is_wrong(emulator: Emulator, body: str) -> None:
    reply = await ask(emulator, FAULTS, method="POST", body=body.encode() or b" ")
    assert reply.refusal() == (422, "EMULATED_BAD_FAULT")
    assert BAD_FAULTS[body] in reply.json["err_msg"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("%00", "names no file: it has a null byte"),
        ("", "can't be read: "),
        ("x" * 5000, "can't be read: File name too"),
    ],
    ids=lambda text: text[:10],
)
async def test_a_bad_reference_is_refused_with_what_is_wrong(emulator: Emulator, reference: str, why: str) -> None:
    reply = await ask(emulator, f"/emulator/v1/scenario?reference={reference}")
    assert reply.refusal() == (422, "EMULATED_BAD_SCENARIO")
    assert why in reply.json["err_msg"]


@pytest.mark.parametrize("kind", ["refuse", "bill-refused"])
@pytest.mark.parametrize("status", [200, 204, 304, 399, 600, True, "403"])
def test_who_refuses_has_a_status_that_says_so(kind: str, status: Any) -> None:
    with pytest.raises(BadFault, match=r"is not a whole number from 400 to 599"):
        read_fault(kind, {"status": status})


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 404, 418, 599])
async def test_a_refused_bill_has_the_status_that_was_asked_for(emulator: Emulator, status: int) -> None:
    fault = json.dumps({"kind": "bill-refused", "status": status, "times": 1}).encode()
    assert (await ask(emulator, FAULTS, method="POST", body=fault)).status == 200
    assert (await ask(emulator, "/v1/projects")).refusal() == (status, "EMULATED_REFUSAL")
    assert (await ask(emulator, "/v1/projects")).status == 200


def test_the_kinds_of_faults_are_those_that_tests_may_name() -> None:
    assert KINDS.keys() == set(get_args(FaultKind))
