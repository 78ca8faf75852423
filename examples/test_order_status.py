"""The agent calls a function of the test, and answers with what it returned."""

from typing import Any

from pytest_dgbudget import VoiceAgent

SETTINGS: dict[str, Any] = {
    "agent": {
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
            "prompt": "You tell customers where their order is. Look it up with order_status.",
            "functions": [
                {
                    "name": "order_status",
                    "description": "Look up where an order is.",
                    "parameters": {
                        "type": "object",
                        "properties": {"order_id": {"type": "string"}},
                        "required": ["order_id"],
                    },
                }
            ],
        },
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    },
}


async def test_order_status(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(settings=SETTINGS, tags=["orders"]) as session:

        @session.on_function("order_status")
        def order_status(order_id: str) -> str:
            return f"order {order_id} is on its way"

        turn = await session.say("Where is my order A-17?")

        assert "A-17" in turn.reply
        assert "on its way" in turn.reply
