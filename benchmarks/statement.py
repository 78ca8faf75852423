"""A management API that costs next to nothing: rows that were written beforehand, in pages."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PROJECT = "0f8fad5b-d9cb-469f-a165-70867728950e"
# When it was created, in the form of the API's own parameters, and the row as JSON.
Row = tuple[str, bytes]


class StaticStatement:
    """Has ``rows``, which are in the order of time. ``last_page_at`` is when the last page went out (monotonic)."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._created = [created for created, _ in rows]
        self._rows = [row for _, row in rows]
        self.url = ""
        self.last_page_at = 0.0

    def answer(self, path: str) -> bytes:
        """Return the body of one answer."""
        url = urlsplit(path)
        if not url.path.endswith("/requests"):
            return b'{"projects":[{"project_id":"%s"}]}' % PROJECT.encode()
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        page, limit = int(query.get("page", "0")), int(query["limit"])
        start, end = (bisect_left(self._created, query[name]) for name in ("start", "end"))
        found = self._rows[start:end][page * limit : (page + 1) * limit]
        self.last_page_at = time.monotonic()
        return b'{"page":%d,"limit":%d,"requests":[%s]}' % (page, limit, b",".join(found))


@contextmanager
def served(statement: StaticStatement) -> Iterator[StaticStatement]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = statement.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        statement.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield statement
        finally:
            server.shutdown()
            thread.join()
