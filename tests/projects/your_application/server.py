"""An application that is started once: for each line that it reads it opens a session, and prints the first message."""

import os
import sys

from websockets.sync.client import connect

KEY = os.environ["DEEPGRAM_API_KEY"]

for _ in sys.stdin:
    with connect(
        "wss://agent.deepgram.com/v1/agent/converse", additional_headers={"Authorization": f"Token {KEY}"}
    ) as a:
        print(a.recv(), flush=True)
