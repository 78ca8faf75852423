"""Deepgram's management API, as far as it says what was used: the statement.

``management`` has its calls, ``rows`` reads what they answer, ``transport`` asks, and ``timeout`` is for how long.
It is loaded when there is something to ask: importing urllib3 takes longer than a gateway takes to start.
Facts: the vendor's OpenAPI file of 2026-07-22 and its guides. What they leave open is taken either way.
"""
