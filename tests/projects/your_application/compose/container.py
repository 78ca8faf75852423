"""An application in a container: it prints its port, and answers each visitor with the agent's first message."""

import os

from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

AGENT_URL = os.environ.get("DEEPGRAM_AGENT_URL", "wss://agent.deepgram.com/v1/agent/converse")
HEADERS = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}


def answer(visitor: ServerConnection) -> None:
    try:
        with connect(AGENT_URL, additional_headers=HEADERS, proxy=None) as agent:
            visitor.send(agent.recv())
    except Exception as error:
        visitor.send(repr(error))


with serve(answer, "127.0.0.1", 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
