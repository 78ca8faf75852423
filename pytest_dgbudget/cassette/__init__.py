"""Cassettes: recordings that are kept to be replayed at no cost. One folder for each session.

``session.jsonl`` has what a reviewer reads, one JSON object a line: ``from`` (``client`` or ``server``) and
``message``, a text message as in a recording's line. The vendor's ids are numbered in the order in which they came
(``request-1``, ``call-1``), latencies are ``"(seconds)"``, and KeepAlives have no line, so that the same conversation,
recorded again, has the same lines. ``scrubbed`` has JSON Pointers of what the hook ``pytest_dgbudget_scrub`` has
replaced: that is never matched. A run of the agent's audio, up to the server's next text, is one line,
``{"from": "server", "audio": true}``. The user's audio has no line: it is a stream of its own.

``recording.json`` has what differs each time: when it was recorded, seconds, dollars, how it ended, the instant of each
line, latencies, and when what has no line came (``runs``).

``user.EXT`` and ``agent.EXT`` have the audio: FLAC for linear16 where soundfile is installed, else WAV; what goes into
neither is kept byte for byte.

docs/cassettes.md describes the files for users.
"""
