"""Programs that dial the vendor with one client each, as applications do, and that can reach nothing but loopback."""

from __future__ import annotations

# Shown by an application that does not know of us. It must arrive nowhere.
HARD_CODED_KEY = "5eed7e57ab1e00c0ffeed0dd5eafa11babe5ca1a"
AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"

_GUARD = f"""\
import sys
HERE = (None, "localhost", "127.0.0.1", "::1")
def stay_here(event, arguments):
    host = None
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[-1], tuple):
        host = arguments[-1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    if (host.decode() if isinstance(host, bytes) else host) not in HERE:
        raise OSError("dgbudget doctor: a client that is not redirected would have dialled", host)
sys.addaudithook(stay_here)
URL, KEY = "{AGENT_URL}", "{HARD_CODED_KEY}"
HEADERS = {{"Authorization": "Token " + KEY}}
"""

_NODE_GUARD = f"""\
const refuse = (host, options, done) => (done ?? options)(new Error("dgbudget doctor: " + host + " is not dialled"));
require("dns").lookup = refuse;
const agent = "{AGENT_URL}";
const headers = {{ Authorization: "Token {HARD_CODED_KEY}" }};
"""

# By the distribution that has the client: with what it would be installed.
_PROGRAMS = {
    "websockets": """\
from websockets.sync.client import connect
connect(URL, additional_headers=HEADERS)
""",
    "websocket-client": """\
import websocket
websocket.create_connection(URL, header=HEADERS, timeout=5)
""",
    "aiohttp": """\
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        await session.ws_connect(URL)
asyncio.run(main())
""",
    "httpx-ws": """\
from httpx_ws import connect_ws
with connect_ws(URL, headers=HEADERS):
    pass
""",
    "deepgram-sdk": """\
from deepgram import DeepgramClient
with DeepgramClient(api_key=KEY).agent.v1.connect():
    pass
""",
}
_NODE_WS = """\
const WebSocket = require("ws");
new WebSocket(agent, { headers }).on("error", () => {});
"""

PYTHON_PROGRAMS = {distribution: _GUARD + program for distribution, program in _PROGRAMS.items()}
# In a block: what a script of -e declares outside of one, every module sees.
NODE_PROGRAM = f"{{\n{_NODE_GUARD}{_NODE_WS}}}\n"
