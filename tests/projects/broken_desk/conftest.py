"""The agent takes silence for words."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget import AsyncSession, VoiceAgent


@pytest.fixture(autouse=True)
def _hears_words_in_silence(monkeypatch: pytest.MonkeyPatch, voice_agent: VoiceAgent) -> None:
    send_audio = AsyncSession.send_audio

    async def send(session: AsyncSession, source: Any, **options: Any) -> None:
        await send_audio(session, source, **options)
        if not any(source):
            voice_agent.emulator.inject({"type": "ConversationText", "role": "user", "content": "Mhm."})
            await session.expect("ConversationText", role="user")

    monkeypatch.setattr(AsyncSession, "send_audio", send)
