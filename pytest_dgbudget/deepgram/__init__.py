"""The part of Deepgram's management API that reports what was used: the statement.

``management`` has its calls, ``rows`` parses the answers, ``transport`` sends requests, and ``timeout`` limits them.
It is loaded on use: importing urllib3 takes longer than a gateway takes to start.
Facts: the vendor's OpenAPI file of 2026-07-22 and its guides. What they leave open is accepted either way.
"""
