"""An application under test: asks its voice agent one question and prints the reply. It knows nothing of pytest."""

import asyncio
import json
import os
import sys
from pathlib import Path

from websockets.asyncio.client import connect

AGENT = json.loads(Path(__file__).with_name("agent.json").read_text(encoding="utf-8"))


async def ask(question: str) -> str:
    url = os.environ.get("DGBUDGET_AGENT_URL", "wss://agent.deepgram.com/v1/agent/converse")
    headers = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}
    async with connect(url, additional_headers=headers) as agent:
        await agent.send(json.dumps(AGENT))
        asked = False
        async for message in agent:
            event = {"type": "audio"} if isinstance(message, bytes) else json.loads(message)
            if event["type"] == "SettingsApplied":
                await agent.send(json.dumps({"type": "InjectUserMessage", "content": question}))
            elif event["type"] == "ConversationText" and event["role"] == "user":
                asked = True
            elif event["type"] == "ConversationText" and asked:
                return str(event["content"])
    raise ConnectionError("the agent hung up before it answered")


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(ask(sys.argv[1])) + "\n")
