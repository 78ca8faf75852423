"""A child of whatever Python: a WebSocket by hand, to a port of this machine under the vendor's name."""

from __future__ import annotations

import socket
import ssl
import sys

REQUEST = b"GET /v1/agent/converse HTTP/1.1\r\nHost: agent.deepgram.com\r\nUpgrade: websocket\r\n\r\n"

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
with plain, context.wrap_socket(plain, server_hostname="agent.deepgram.com") as tls:
    try:
        tls.sendall(REQUEST)
        print("sent")
    except OSError as error:
        print(type(error).__name__)
