"""An application with the official SDK, 5.3 to 7: prints the first message."""

import os

from deepgram import DeepgramClient

client = DeepgramClient(api_key=os.environ["DEEPGRAM_API_KEY"])

with client.agent.v1.connect() as agent:
    print(agent.recv().type)
