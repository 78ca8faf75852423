"""Both ends of a control connection, joined by nothing but bytes."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError, ReconciliationError, SettingsError
from pytest_dgbudget.ledger.connection import LedgerNotWritable
from pytest_dgbudget.model import Bypass, GivenUpWait, Overrun, Refusal, Usage
from pytest_dgbudget.protocol.authentication import GatewayAuthentication, OwnerAuthentication, Peer
from pytest_dgbudget.protocol.codec import to_json
from pytest_dgbudget.protocol.control import (
    Answered,
    Asked,
    Authenticated,
    ControlEvent,
    ControlProtocol,
    Failed,
    Notified,
    ProtocolViolation,
)
from pytest_dgbudget.protocol.notifications import NOTIFICATIONS, Heartbeat
from pytest_dgbudget.protocol.operations import (
    OPERATIONS,
    AttemptRecordings,
    BeginAttempt,
    CallEmulator,
    EndAttempt,
    EndedAttempt,
    EndedLostTest,
    EndLostTest,
    GetProgress,
    GetRemaining,
    GetStopReason,
    GetUsage,
    GrantedAttempt,
    HeldGrant,
    Join,
    Operation,
    Progress,
    RecordOutcome,
    ReleaseRecordings,
    StopRun,
    TakeAudioRoom,
    Verdict,
    WriteRecordings,
)
from pytest_dgbudget.protocol.secrets import proof
from pytest_dgbudget.rules.attempts import attempt_figures

SECRET = "the control secret"
OWNER = Peer(role="worker", pid=7, started="a")
GATEWAY = Peer(role="gateway", pid=8, started=None)
LINE = 100_000
RECORDINGS = AttemptRecordings(folder="/f/a", target="live")
BEGIN = BeginAttempt(nodeid="t", worker="gw0", target=None, budget_ms=1, idle_ms=None, scenario="s.toml::x", pace="max")
VERDICT = Verdict(
    overruns=(Overrun(kind="cut", scope="run", used=2, allowed=1),),
    refusals=(Refusal(status=401, code="c", reason="r", times=2),),
    bypasses=(Bypass(host="h", path="/p", how="refused", program="x"),),
    waits_given_up=(GivenUpWait(ms=3, awaited="window"), GivenUpWait(ms=4, awaited="place")),
    gateway_lost=None,
    had_clients=True,
    notes=("n",),
    order_violations=(),
)

FIGURES = attempt_figures(
    number=1,
    budget_ms=None,
    used_ms=5,
    micro_usd=7,
    cost_budget_micro_usd=None,
    estimated=False,
    forecast=None,
    turns=[],
    vendor_latencies_ms=[],
    handshakes_ms=[3],
    request_ids=["r"],
    cut=True,
    refused=0,
)


def gateway_end(secret: str = SECRET) -> ControlProtocol:
    return ControlProtocol(GatewayAuthentication(secret, "challenge of the gateway", GATEWAY), longest_line=LINE)


def owner_end(secret: str = SECRET) -> ControlProtocol:
    return ControlProtocol(OwnerAuthentication(secret, "challenge of the owner", OWNER), longest_line=LINE)


def exchange(one: ControlProtocol, other: ControlProtocol) -> tuple[list[ControlEvent], list[ControlEvent]]:
    """Pass bytes to and fro until both are silent; return what each received."""
    received: tuple[list[ControlEvent], list[ControlEvent]] = ([], [])
    while (to_other := one.to_send()) or (to_one := other.to_send()):
        if to_other:
            received[1].extend(other.receive(to_other))
        else:
            received[0].extend(one.receive(to_one))
    return received


@pytest.fixture
def ends() -> tuple[ControlProtocol, ControlProtocol]:
    """An owner's end and a gateway's, authenticated."""
    owner, gateway = owner_end(), gateway_end()
    exchange(owner, gateway)
    return owner, gateway


# Authentication -----------------------------------------------------------------------------------------------------


def test_each_end_learns_who_the_other_is() -> None:
    owner, gateway = owner_end(), gateway_end()
    assert exchange(owner, gateway) == ([Authenticated(GATEWAY)], [Authenticated(OWNER)])
    assert owner.is_authenticated
    assert gateway.is_authenticated


def test_a_gateway_drops_an_owner_with_another_secret() -> None:
    owner, gateway = owner_end("another"), gateway_end()
    with pytest.raises(ProtocolViolation, match="proof is wrong"):
        exchange(owner, gateway)
    assert not gateway.is_authenticated
    assert gateway.to_send() == b"", "it proves nothing to whom it does not know"


def test_an_owner_drops_a_gateway_with_another_secret() -> None:
    owner = owner_end()
    owner.receive(b'{"challenge": "c"}\n')
    forged = {"proof": proof("another", "gateway", "challenge of the owner"), "peer": to_json(GATEWAY)}
    with pytest.raises(ProtocolViolation, match="proof is wrong"):
        owner.receive(json.dumps(forged).encode() + b"\n")


def test_the_owners_own_proof_does_not_serve_a_gateway() -> None:
    owner = owner_end()
    owner.receive(b'{"challenge": "challenge of the owner"}\n')
    reflected = json.loads(owner.to_send())["proof"]
    with pytest.raises(ProtocolViolation, match="proof is wrong"):
        owner.receive(json.dumps({"proof": reflected, "peer": to_json(GATEWAY)}).encode() + b"\n")


def test_nothing_is_taken_from_an_end_that_has_proven_nothing() -> None:
    with pytest.raises(ProtocolViolation, match="without proof"):
        gateway_end().receive(json.dumps({"id": 1, "ask": "StopRun", "fields": {}}).encode() + b"\n")


@pytest.mark.parametrize("text", ['"\\ud800"', '"é"', "[1]", "null"])
def test_any_text_for_a_proof_or_a_challenge_is_survived(text: str) -> None:
    with pytest.raises(ProtocolViolation):
        gateway_end().receive(f'{{"proof": {text}, "challenge": {text}, "peer": {{}}}}\n'.encode())


PROGRESS = Progress(used_seconds=1.5, used_usd=0.002, at_risk_seconds=8.5, at_risk_usd=0.01, open_sessions=2, waiting=1)


# Messages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        (BEGIN, GrantedAttempt(id="a", number=2, budget_seconds=1.5, recordings=RECORDINGS, token="dgb_x")),
        (EndAttempt(attempt="a", expects_clients=True), EndedAttempt(figures=FIGURES, verdict=VERDICT, leaked=1)),
        (GetUsage(attempt="a", session=None), Usage(seconds=1.0, sessions=2)),
        (GetRemaining(attempt="a"), None),
        (GetRemaining(attempt="a"), 0.5),
        (GetProgress(), PROGRESS),
        (GetStopReason(), None),
        (GetStopReason(), "stopping after a session was refused"),
        (RecordOutcome(attempt="a", outcome="passed"), None),
        (
            EndLostTest(nodeid="t", worker=""),
            EndedLostTest(attempt="a", figures=FIGURES, recordings=RECORDINGS),
        ),
        (WriteRecordings(attempt="a"), True),
        (TakeAudioRoom(size=7), 6),
        (ReleaseRecordings(attempt="a", is_kept=True), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_operation_and_its_answer_arrive_as_what_they_are(
    ends: tuple[ControlProtocol, ControlProtocol], operation: Operation[Any], answer: Any
) -> None:
    owner, gateway = ends
    asked = owner.ask(operation)
    assert gateway.receive(owner.to_send()) == [Asked(asked, operation)]
    gateway.answer(asked, answer)
    assert owner.receive(gateway.to_send()) == [Answered(asked, answer)]


def test_a_grant_that_is_held_crosses_whole(ends: tuple[ControlProtocol, ControlProtocol]) -> None:
    owner, gateway = ends
    calls = (CallEmulator(attempt="a", method="PUT", what="scenario", body={"turn": [{"reply": None}]}),)
    held = Join(held=(HeldGrant(attempt="a", token="dgb_x", asked=BEGIN, emulator_calls=calls),), token="dgb_y")
    assert gateway.receive(owner.to_send() + _line(owner, held)) == [Asked(1, held)]


def _line(end: ControlProtocol, operation: Operation[Any]) -> bytes:
    end.ask(operation)
    return end.to_send()


def test_answers_may_come_in_any_order(ends: tuple[ControlProtocol, ControlProtocol]) -> None:
    owner, gateway = ends
    first, second = owner.ask(GetRemaining(attempt="a")), owner.ask(RecordOutcome(attempt="a", outcome="failed"))
    gateway.receive(owner.to_send())
    gateway.answer(second, None)
    gateway.answer(first, 1.0)
    assert owner.receive(gateway.to_send()) == [Answered(second, None), Answered(first, 1.0)]


def test_a_notification_is_not_answered(ends: tuple[ControlProtocol, ControlProtocol]) -> None:
    owner, gateway = ends
    gateway.notify(Heartbeat())
    assert owner.receive(gateway.to_send()) == [Notified(Heartbeat())]
    assert owner.to_send() == b""


@pytest.mark.parametrize(
    ("raised", "arrives"),
    [
        (LedgerError, LedgerError),
        (LedgerNotWritable, LedgerError),
        (SettingsError, SettingsError),
        (GatewayError, GatewayError),
        (ReconciliationError, GatewayError),
    ],
)
def test_an_error_arrives_as_what_users_know(
    ends: tuple[ControlProtocol, ControlProtocol], raised: type[DgBudgetError], arrives: type[DgBudgetError]
) -> None:
    owner, gateway = ends
    asked = owner.ask(StopRun())
    gateway.receive(owner.to_send())
    gateway.fail(asked, raised("the disk is full"))
    (event,) = owner.receive(gateway.to_send())
    assert isinstance(event, Failed)
    assert (type(event.error), str(event.error)) == (arrives, "the disk is full")


@given(st.data())
def test_bytes_may_be_cut_anywhere(data: st.DataObject) -> None:
    owner, gateway = owner_end(), gateway_end()
    exchange(owner, gateway)
    operations: list[Operation[Any]] = [BEGIN, StopRun(), GetUsage(attempt="é" * 50, session="s")]
    for operation in operations:
        owner.ask(operation)
    whole, events = owner.to_send(), []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        events += gateway.receive(whole[start:end])
    assert events == [Asked(number, operation) for number, operation in enumerate(operations, 1)]


@pytest.mark.parametrize(
    "line",
    [
        b"7\n",
        b"no JSON\n",
        b"\xff\xfe\n",
        b"[" * 4000 + b"\n",
        b"{}\n",
        b'{"id": 1, "ask": "Unknown", "fields": {}}\n',
        b'{"id": "1", "ask": "StopRun", "fields": {}}\n',
        b'{"id": 1, "ask": "EndAttempt", "fields": {}}\n',
        b'{"id": 1, "ask": ["EndAttempt"], "fields": {}}\n',
        b'{"id": 9, "answer": null}\n',
        b'{"notify": "Unknown", "fields": {}}\n',
    ],
)
def test_what_is_not_the_protocol_violates_it(ends: tuple[ControlProtocol, ControlProtocol], line: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        ends[1].receive(line)


def test_before_the_proof_a_line_may_have_four_kibibytes() -> None:
    gateway = gateway_end()
    gateway.receive(b"x" * 4096)
    with pytest.raises(ProtocolViolation, match="too long"):
        gateway.receive(b"x")


def test_a_line_without_an_end_is_refused(ends: tuple[ControlProtocol, ControlProtocol]) -> None:
    ends[1].receive(b"x" * LINE)
    with pytest.raises(ProtocolViolation, match="too long"):
        ends[1].receive(b"x")


# The tables ---------------------------------------------------------------------------------------------------------


def test_every_operation_and_notification_has_its_class_name_in_one_table() -> None:
    from pytest_dgbudget.protocol import notifications, operations

    def subclasses_of(base: type, module: ModuleType) -> set[type]:
        classes = {each for each in vars(module).values() if isinstance(each, type) and issubclass(each, base)}
        return classes - {base}

    assert set(OPERATIONS.values()) == subclasses_of(operations.Operation, operations)
    assert set(NOTIFICATIONS.values()) == subclasses_of(notifications.Notification, notifications)
    assert all(name == each.__name__ for name, each in {**OPERATIONS, **NOTIFICATIONS}.items())
