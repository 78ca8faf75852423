"""The recording of a session: what went both ways, in order, with times. One folder for each session.

``session.jsonl`` has one JSON object a line: ``request_id`` (the Welcome's; null where none came, or came late),
``session_id``, ``seq`` (1, 2, 3 … over all directions), ``ts`` (UTC, ISO 8601 with milliseconds and a ``Z``),
``direction`` (``client_to_server``, ``server_to_client``, or ``gateway`` for what happened at the gateway) and
``payload``. The envelope is the one that the vendor recommends (docs/voice-agent-observability of its documentation).

``payload`` is a text message's JSON as it came, without its secrets (``scrubbing``). What can't stand for itself has a
``type`` in brackets, which no message of the vendor's has:

- ``(audio)``: a binary message. Its ``bytes`` stand in ``user.EXT`` or ``agent.EXT`` from ``offset`` on, a file's
  header not counted; ``cut`` where the message did not come to its end.
- ``(not JSON)``: a text that no JSON object can be made of, or one whose type is in brackets: ``text``.
- ``(left out)``: a text of more than 128 KiB, one that can't be searched for secrets, or one that did not come to its
  end: ``bytes``. Secrets in Settings that are left out are not known: what repeats them later is scrubbed by its place
  alone.

Lines of the gateway are events of the session's life, and these:

- ``(lost)``: here the recording has a gap, because what passed was handed over faster than it could be written: how
  many ``bytes`` that ``direction`` lacks, frames' headers included, or how many ``events`` of the gateway.
- ``(audio file)``: the file of a ``direction`` begins: its ``name``, ``encoding`` and ``sample_rate`` (Hz). It is a WAV
  file where the encoding is linear16, linear32, mulaw or alaw, and raw bytes otherwise, or where audio came before
  Settings. ``name`` is null where audio is not kept: it is counted alone.
- ``(stopped)``: the recording ends here, and the session went on: ``why``.
- ``(ended)``: the last line of a recording that has its end; ``close_reason`` is what the Close says with which the
  session began to end, empty without one.

A recording whose writer was killed can be read up to its last whole line. The folder is for its owner alone.
"""
