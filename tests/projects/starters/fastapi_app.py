"""A voice agent behind FastAPI: a bridge for browsers, and tokens for those that dial the agent themselves."""

import asyncio
import os

import httpx
from dotenv import load_dotenv
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

load_dotenv()

AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
GRANT_URL = "https://api.deepgram.com/v1/auth/grant"
AUTHORIZATION = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}

app = FastAPI()


@app.websocket("/api/voice-agent")
async def voice_agent(browser: WebSocket) -> None:
    await browser.accept()
    async with connect(AGENT_URL, additional_headers=AUTHORIZATION) as agent:
        answers = asyncio.create_task(_pass_answers(agent, browser))
        try:
            while True:
                message = await browser.receive()
                if message["type"] == "websocket.disconnect":
                    break
                await agent.send(message.get("text") or message["bytes"])
        except WebSocketDisconnect:
            pass
        finally:
            answers.cancel()


@app.get("/api/session")
async def session() -> dict[str, str]:
    async with httpx.AsyncClient() as client:
        granted = await client.post(GRANT_URL, headers=AUTHORIZATION)
    return {"token": granted.raise_for_status().json()["access_token"]}


async def _pass_answers(agent: ClientConnection, browser: WebSocket) -> None:
    async for message in agent:
        if isinstance(message, str):
            await browser.send_text(message)
        else:
            await browser.send_bytes(message)
