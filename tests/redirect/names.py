"""The key that must go nowhere, the token that takes its place, and where applications dial."""

from __future__ import annotations

KEY = "5eed7e57ab1e00c0ffeed0dd5eafa11babe5ca1a"
TOKEN = "d9b0d9e7" + "0a1b2c3d" * 4
ANOTHER_TOKEN = "d9b0d9e7" + "4e5f6071" * 4
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
LISTEN_URL = "https://api.deepgram.com/v1/listen?model=nova-3&tag=caf%C3%A9"
