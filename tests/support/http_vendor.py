"""An HTTP server in the place of the vendor's REST: answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class AskedOfVendor:
    """A request's head; names of headers are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class VendorHandler(BaseHTTPRequestHandler):
    """One request, with what a test needs to answer it bit by bit."""

    protocol_version = "HTTP/1.1"
    server: VendorServer

    def handle_one_request(self) -> None:
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.server.asked.append(AskedOfVendor(self.command, self.path, headers))
            self.server.answers(self)
            self.wfile.flush()

    def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        """Answer at once; underscores in names of headers are hyphens."""
        self.begin(status, Content_Length=str(len(body)), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int = 200, **headers: str) -> None:
        """Send the head of an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Send one chunk of a body; the empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def body(self) -> bytes:
        """Read the whole body."""
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        return b"".join(iter(self.next_chunk, b""))

    def next_chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Print nothing."""


class VendorServer(ThreadingHTTPServer):
    """Listens on a port of its own."""

    daemon_threads = True

    def __init__(self, answers: Callable[[VendorHandler], object]) -> None:
        super().__init__(("127.0.0.1", 0), VendorHandler)
        self.asked: list[AskedOfVendor] = []
        self.answers = answers

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is what some tests are about."""


class HttpVendor:
    """Serves on a thread; ``answers`` is called with each request."""

    def __init__(self, answers: Callable[[VendorHandler], object] = lambda request: request.answer()) -> None:
        self._server = VendorServer(answers)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def asked(self) -> list[AskedOfVendor]:
        return self._server.asked

    def __enter__(self) -> HttpVendor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
