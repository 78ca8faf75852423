"""The ways to a server: direct, through a message-level relay, through the gateway, through one that records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.programs import program, resident_mib
from benchmarks.through_gateway import KEY, Gateway, gateway

PATH = "/v1/agent/converse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`relay` is the process that it goes through, if any, and `idle_mib` its memory before the first session."""

    port: int
    token: str
    relay: int | None = None
    idle_mib: float | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"


@dataclass(slots=True)
class Ways:
    """They are there while `open`: the reference's setup, which is around all others."""

    direct: Way | None = None
    message_relay: Way | None = None
    gateway: Way | None = None
    recording_gateway: Way | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        with program("agent_server") as server:
            self.direct = Way(port=int(server.line()), token=KEY)
            with (
                program("message_relay", self.direct.url) as relay,
                gateway(self.direct.url) as ours,
                gateway(self.direct.url, records=True) as recording,
            ):
                port = int(relay.line())
                self.message_relay = Way(port=port, token=KEY, relay=relay.pid, idle_mib=resident_mib(relay.pid))
                self.gateway = way_through(ours)
                self.recording_gateway = way_through(recording)
                yield


def way_through(gateway: Gateway) -> Way:
    token = gateway.voice_agent().endpoint.api_key
    return Way(port=gateway.gateway.port, token=token, relay=gateway.pid, idle_mib=resident_mib(gateway.pid))
