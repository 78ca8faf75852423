"""A voice agent behind Flask, one thread for each visitor; it knows nothing of tests."""

import os
import threading

from dotenv import load_dotenv
from flask import Flask
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from websockets.sync.client import ClientConnection, connect

load_dotenv()

AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
API_KEY = os.environ["DEEPGRAM_API_KEY"]

app = Flask(__name__)
sock = Sock(app)


@sock.route("/api/voice-agent")
def voice_agent(browser: Server) -> None:
    with connect(AGENT_URL, additional_headers={"Authorization": f"Token {API_KEY}"}) as agent:
        answers = threading.Thread(target=_pass_answers, args=(agent, browser))
        answers.start()
        try:
            while True:
                agent.send(browser.receive())
        except ConnectionClosed:
            agent.close()
        answers.join()


def _pass_answers(agent: ClientConnection, browser: Server) -> None:
    for message in agent:
        browser.send(message)
