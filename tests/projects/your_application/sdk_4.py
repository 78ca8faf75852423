"""An application with the official SDK 4: prints the first message."""

import os
import threading
from typing import Any

from deepgram import AgentWebSocketEvents, DeepgramClient, SettingsOptions

client = DeepgramClient(os.environ["DEEPGRAM_API_KEY"])
agent = client.agent.websocket.v("1")
welcomed = threading.Event()


def on_welcome(_: Any, welcome: Any, **kwargs: Any) -> None:
    print(welcome.type)
    welcomed.set()


agent.on(AgentWebSocketEvents.Welcome, on_welcome)
agent.start(SettingsOptions())
welcomed.wait(10)
agent.finish()
