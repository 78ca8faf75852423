"""What a test may ask of the emulator while it runs: its scenario, faults, messages, and a journal of what passed."""

from __future__ import annotations

import math
import os
from base64 import b64encode
from collections.abc import Mapping
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.client.scenario import FaultKind, FaultParameters, Scenario
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.protocol.operations import CallEmulator

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of every type checker; nothing needs it at run time

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# Of one scenario or message, as JSON: the gateway reads it between what it has to do in time.
_MOST_BYTES = 512 * 1024


class Emulator:
    """The emulator, as one test sees it."""

    def __init__(self, gateway: GatewayClient, attempt: str) -> None:
        self._gateway = gateway
        self._attempt = attempt

    def scenario(self, scenario: Scenario | None) -> None:
        """Set what the agent does in the sessions that this test opens from now on, whoever opens them.

        ``scenario`` has the tables of a scenario file as dicts (docs/emulator.md); paths in it are relative to the
        current directory. It wins over the marker and ``--dg-scenario``, which None returns to, and ends with the test.
        Sessions that are open keep what they have.

        Raises SettingsError that names the place, such as ``turn[1].then[0].reply``; then nothing has changed.
        GatewayError where the emulator is gone.
        """
        try:
            if scenario is None:
                self._call("DELETE", "scenario")
            else:
                self._call("PUT", "scenario", {"scenario": _as_json(scenario), "folder": str(Path.cwd())})
        except SettingsError as error:
            raise SettingsError(f"scenario(...): {error}") from None

    def inject(self, message: Mapping[str, Any] | bytes, *, request_id: str | None = None) -> None:
        """Send a message to the sessions of this test that are open now, as if the agent had sent it.

        ``message`` is any server message, a mapping with ``type``, or bytes: audio of the agent's, in the encoding of
        Settings, sent as one message. ``request_id`` is that of the only session that gets it. It is sent after what
        the agent has sent, and passes as all of its messages do: recorded, checked, in the journal. The agent itself
        goes on as if nothing had happened.

        Raises SettingsError where no such session is open, or for what is no message. GatewayError where the emulator
        is gone.
        """
        try:
            self._call("POST", "messages", {**_message(message), "request_id": request_id})
        except SettingsError as error:
            raise SettingsError(f"inject(...): {error}") from None

    def fault(self, kind: FaultKind, **parameters: Unpack[FaultParameters]) -> None:
        """Make something go wrong in this test's sessions, including those already open (docs/emulator.md).

        Raises SettingsError for an unknown fault or a wrong parameter.
        """
        self._call("POST", "faults", {**parameters, "kind": kind})

    def clear_faults(self) -> None:
        """Remove the faults that this test has set; those of its scenario stay."""
        self._call("DELETE", "faults")

    def journal(self) -> list[dict[str, Any]]:
        """Return what this test's sessions sent and received so far, session by session, oldest first.

        The envelope is that of the vendor's observability guide; ``payload`` has the message (docs/emulator.md).
        """
        records: list[dict[str, Any]] = self._call("GET", "journal")["records"]
        return records

    def _call(self, method: str, what: str, body: Any = None) -> Any:
        try:
            size = len(dumps(body))
        except (TypeError, ValueError, RecursionError) as error:
            raise SettingsError(f"JSON can't hold it: {error}") from None
        if size > _MOST_BYTES:
            raise SettingsError(f"it has {size} bytes as JSON; at most {_MOST_BYTES} can be sent at once")
        return self._gateway.call_emulator(CallEmulator(attempt=self._attempt, method=method, what=what, body=body))


def _message(given: Mapping[str, Any] | bytes) -> dict[str, Any]:
    if isinstance(given, (bytes, bytearray, memoryview)):
        return {"audio": b64encode(given).decode()}
    return {"message": _as_json(given)}


def _as_json(given: object) -> Any:
    """Return a mapping as JSON has it; raises SettingsError."""
    if not isinstance(given, Mapping):
        raise SettingsError(f"it is a dict, not {type(given).__name__}")
    try:
        return _plain(given, "")
    except RecursionError:
        raise SettingsError("it is nested too deeply, or contains itself") from None


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, Mapping):
        return {_key(key, place): _plain(each, f"{place}.{key}".lstrip(".")) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{place}[{n}]") for n, each in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise SettingsError(f"{place}: JSON has no {value!r}; write it as a text")


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise SettingsError(f"{place}: its keys are texts, not {key!r}".lstrip(": "))
    return key
