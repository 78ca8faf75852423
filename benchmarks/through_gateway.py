"""A real gateway outside of pytest, in front of a server of ours. All that benchmarks know of its insides is here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_dgbudget.client.endpoint import endpoint_of
from pytest_dgbudget.client.voice_agent import VoiceAgent
from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.control.listening import listen_on_loopback
from pytest_dgbudget.control.run import start_gateway_of
from pytest_dgbudget.control.supervisor import Supervisor
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.operations import BeginAttempt

KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """`pid` is its process."""

    pid: int
    gateway: GatewayClient
    run_config: RunConfig

    def voice_agent(self) -> VoiceAgent:
        """What the fixture gives to a test, with a grant of its own."""
        granted = self.gateway.begin(
            BeginAttempt(
                nodeid="benchmarks.py::test",
                worker="",
                target=None,
                budget_ms=_HOURS_MS,
                idle_ms=None,
                scenario=None,
                pace="vendor",
            )
        )
        run_id = self.gateway.membership.run_id
        endpoint = endpoint_of(self.run_config, self.gateway.port, run_id, "live", granted.token)
        return VoiceAgent(
            self.gateway, granted, "live", "vendor", endpoint, None, nodeid="test_it.py::test_it", is_rehearsal=False
        )


_HOURS_MS = 100 * 3600 * 1000


@contextmanager
def gateway(agent_url: str, *, records: bool = False) -> Iterator[Gateway]:
    """Run a gateway that dials this URL as if it were the vendor's, with more budget than it can use.

    ``records``: it writes a recording of each session.
    """
    with tempfile.TemporaryDirectory() as folder:
        recording_dir = Path(folder) / "recordings" if records else None
        settings = vars(_settings(agent_url, Path(folder)))
        run_config = RunConfig(**{**settings, "artifacts": "off", "recording_dir": recording_dir})
        supervisor = Supervisor(run_config, listen_on_loopback(), Interpreter.of_this_process())
        run = start_gateway_of(supervisor, None)
        try:
            assert supervisor._process is not None
            yield Gateway(pid=supervisor._process.pid, gateway=run.gateway, run_config=run_config)
        finally:
            run.close()


def _settings(agent_url: str, folder: Path) -> RunConfig:
    return resolve(
        command_line={
            "dg_target": "live",
            "dg_agent_url": agent_url,
            "dg_budget": "80000h",
            "dg_idle_timeout": "off",
            "dg_max_sessions": "1000",
            "dg_reconcile": "off",
        },
        environment={"DEEPGRAM_API_KEY": KEY},
        ini={},
        rootdir=folder,
        current_dir=folder,
    )
