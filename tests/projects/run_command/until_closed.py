"""Talks until its session is closed, tries once more, and goes on."""

from __future__ import annotations

from application import session
from websockets.exceptions import ConnectionClosed, InvalidStatus

with session() as connection:
    try:
        connection.recv()
    except ConnectionClosed as closed:
        print(f"closed with {closed.rcvd.code if closed.rcvd else None}", flush=True)
try:
    with session():
        print("opened again", flush=True)
except InvalidStatus as refused:
    print(f"refused with {refused.response.status_code}", flush=True)
print("going on", flush=True)
