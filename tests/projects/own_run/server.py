"""Opens a session for each line that it reads, and prints what came first, or the error."""

import sys

import application
from websockets.sync.client import ClientConnection

last: list[ClientConnection] = []
for _ in sys.stdin:
    for session in last:
        session.close()
    try:
        last = [application.visit()]
        print("Welcome", flush=True)
    except Exception as error:
        last = []
        print(repr(error), flush=True)
