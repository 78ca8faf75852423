"""An application: it prints its port, and answers each visitor with the agent's first message, or with the error."""

import os
import sys

from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

AGENT_URL = os.environ["DEEPGRAM_AGENT_URL"]
HEADERS = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}


def answer(visitor: ServerConnection) -> None:
    try:
        with connect(AGENT_URL, additional_headers=HEADERS, proxy=None) as agent:
            visitor.send(agent.recv())
            if visitor.recv() == "stay":
                while True:
                    agent.recv()
    except Exception as error:
        visitor.send(repr(error))


with serve(answer, sys.argv[1], 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
