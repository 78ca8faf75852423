"""Cassettes: recordings that are kept to be replayed at no cost. One folder for each session.

``session.jsonl`` has what a reviewer reads, one JSON object a line: ``from`` (``client`` or ``server``) and
``message``, a text message's JSON. Ids are numbered in the order in which they came (``request-1``, ``call-1``), so
that the same conversation, recorded again, has the same lines. ``scrubbed`` has JSON pointers of what the hook
``scrub`` replaced: that is never matched. A run of the agent's audio is one line, ``{"from": "server", "audio":
true}``. The user's audio has no line: it is a stream of its own.

``recording.json`` has what differs each time: when it was recorded, seconds, dollars, how it ended, the instant of each
line, and where audio came in which chunks.

``user.EXT`` and ``agent.EXT`` have the audio: FLAC for linear16 where soundfile is installed, else WAV; what goes into
neither is kept byte for byte.
"""
