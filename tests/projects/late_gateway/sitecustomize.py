"""Makes a gateway close its sessions two seconds late, whatever for: also when it is gone itself."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from typing import Any

LATE_SECONDS = 2.0
_HOLDER = f"import sys, time; sys.stdin.read(); time.sleep({LATE_SECONDS})"

_kept: list[object] = []


def close_late() -> None:
    from pytest_dgbudget.gateway.relay import Relay
    from pytest_dgbudget.gateway.relay_states import RelayState

    start = Relay.start

    def start_late(relay: Any, from_client: bytes) -> None:
        transport = relay._vendor_transport
        write, close, abort = transport.write, transport.close, transport.abort

        def write_late(data: bytes) -> None:
            if relay.state is RelayState.CLOSING:
                later(write, data)
            else:
                write(data)

        transport.write = write_late
        transport.close = lambda: later(shut, transport, close)
        transport.abort = lambda: later(shut, transport, abort)
        hold(transport)
        start(relay, from_client)

    Relay.start = start_late  # type: ignore[assignment, method-assign]


def later(call: Any, *arguments: Any) -> None:
    asyncio.get_running_loop().call_later(LATE_SECONDS, call, *arguments)


def shut(transport: Any, close: Any) -> None:
    """End the connection although its holder has it as well."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    close()


def hold(transport: Any) -> None:
    """Have another process keep the connection open for so long after the end of this one."""
    _kept.append(
        subprocess.Popen(
            [sys.executable, "-S", "-c", _HOLDER],
            stdin=subprocess.PIPE,
            pass_fds=[transport.get_extra_info("socket").fileno()],
            env={},
            cwd=os.sep,
        )
    )


if any("from pytest_dgbudget.gateway import main" in each for each in sys.orig_argv):
    close_late()
