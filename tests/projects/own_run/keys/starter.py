"""An application as the starters are: the URL in its code, the key read when it is imported or loaded from a file."""

import os
from pathlib import Path

from dotenv import load_dotenv
from websockets.sync.client import connect

URL = Path("url.txt").read_text(encoding="utf-8")
KEY = os.environ["DEEPGRAM_API_KEY"]


def talk(key: str) -> None:
    with connect(URL, additional_headers={"Authorization": f"Token {key}"}, proxy=None) as session:
        session.recv()


def talk_with_key_at_import() -> None:
    talk(KEY)


def talk_with_key_of_the_file() -> None:
    load_dotenv(".env", override=True)
    talk(os.environ["DEEPGRAM_API_KEY"])


def talk_with_key_in_the_code() -> None:
    talk("a11ce7e57ab1e00c0ffeed0dd5eafa11babe5ca1")
