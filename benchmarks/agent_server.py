"""A light server in the vendor's place: Welcome, SettingsApplied, and each audio message back. Prints its port."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.wire import BINARY, CLOSE, PING, PONG, TEXT, Messages, from_server, header, upgrade_response

WELCOME = from_server(TEXT, b'{"type":"Welcome","request_id":"6c1a1a0e-3c54-4c64-9f8e-0d9c4e1c7d0a"}')
APPLIED = from_server(TEXT, b'{"type":"SettingsApplied"}')


class Agent(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._head = b""
        self._upgraded = False
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._upgraded:
            data = self._upgrade(data)
        answers: list[bytes] = []
        closed = False
        for opcode, payload in self._messages.feed(data):
            answers += _answer(opcode, payload)
            closed = closed or opcode == CLOSE
        if answers:
            self._transport.write(b"".join(answers))
        if closed:
            self._transport.close()

    def _upgrade(self, data: bytes) -> bytes:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return b""
        self._upgraded = True
        self._transport.write(upgrade_response(head) + WELCOME)
        return rest


def _answer(opcode: int, payload: bytes) -> tuple[bytes, ...]:
    if opcode == BINARY:
        return header(BINARY, len(payload), 0), payload
    if opcode == TEXT:
        return (APPLIED,) if b'"Settings"' in payload else ()
    if opcode == CLOSE:
        return (from_server(CLOSE, payload),)
    return (from_server(PONG, payload),) if opcode == PING else ()


async def until_stdin_ends() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Agent, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await until_stdin_ends()


if __name__ == "__main__":
    asyncio.run(serve())
