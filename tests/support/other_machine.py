"""Another machine, as far as a process can tell: a network of its own, in which some ports lead back to ours.

``python -m tests.support.other_machine PORT... -- COMMAND...`` runs a command there. It reaches what listens here on
these ports of loopback, as it would an address on the internet, and nothing else.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET in linux/sched.h


def main() -> int:
    separator = sys.argv.index("--")
    ports, command = [int(port) for port in sys.argv[1:separator]], sys.argv[separator + 1 :]
    ours, theirs = socket.socketpair()
    process = os.fork()
    if process == 0:
        ours.close()
        _enter(ports, theirs)
        os.execvp(command[0], command)
    theirs.close()
    _, descriptors, _, _ = socket.recv_fds(ours, 1, len(ports))
    with Path(os.devnull).open("r+b") as nothing:  # the command's alone: xdist ends it by its stdin
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    asyncio.run(_Forwarder().serve(process, dict(zip(ports, descriptors, strict=True))))
    return 0


def _enter(ports: list[int], to_forwarder: socket.socket) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no network of its own")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, stdin=subprocess.DEVNULL)
    listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]
    socket.send_fds(to_forwarder, [b"."], [listener.fileno() for listener in listeners])
    to_forwarder.close()
    for listener in listeners:
        listener.close()


class _Forwarder:
    """Lives until the command has ended, and whatever it started has closed its connections."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, process: int, listeners: dict[int, int]) -> None:
        for port, descriptor in listeners.items():
            await asyncio.start_server(
                lambda *ends, port=port: self._accepted(port, *ends), sock=socket.socket(fileno=descriptor)
            )
        await asyncio.to_thread(os.waitpid, process, 0)
        while self._open:
            await asyncio.wait(self._open)

    def _accepted(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forwarding = asyncio.ensure_future(self._forward(port, reader, writer))
        self._open.add(forwarding)
        forwarding.add_done_callback(self._open.discard)

    async def _forward(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here_reader, here_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, here_writer), _pump(here_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


if __name__ == "__main__":
    sys.exit(main())
