"""A small HTTP server that answers as InfluxDB 2.7 was seen to: tokens, organisations, buckets, partial writes.

InfluxDB 2.x itself cannot be installed from a package registry. What stands here was seen at a real one: a line that
cannot be parsed makes it refuse the whole request with 400; a field with another type is refused with 422, the other
points are written; an unknown bucket or organisation is 404, a wrong token 401.
"""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .line_protocol import Content, parse

__all__ = ["InfluxDB2"]


class InfluxDB2:
    """One organisation `homeiq` with one bucket `home`, open to one token."""

    def __init__(self) -> None:
        self.token, self.org, self.bucket = "right-token", "homeiq", "home"
        self.content: Content = {}
        self.answers: list[tuple[int, dict[str, str], dict[str, str]]] = []
        """Answers (status, headers, body) to give to the next requests, before any of its own."""
        self.largest = 10_000_000
        self.requests = 0
        self._types: dict[tuple[str, str], type] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"influxdb": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def write(self, query: dict[str, list[str]], token: str, body: bytes) -> tuple[int, dict[str, str], dict[str, str]]:
        """Return the answer to a write."""
        with self._lock:
            self.requests += 1
            if self.answers:
                return self.answers.pop(0)
            if token != f"Token {self.token}":
                return 401, {}, {"code": "unauthorized", "message": "unauthorized access"}
            if query.get("org") != [self.org]:
                return 404, {}, {"code": "not found", "message": f'organization name "{query.get("org")}" not found'}
            if query.get("bucket") != [self.bucket]:
                return 404, {}, {"code": "not found", "message": f'bucket "{query.get("bucket")}" not found'}
            if len(body) > self.largest:
                return 413, {}, {"code": "request too large", "message": "too large"}
            if not body:
                return 400, {}, {"code": "invalid", "message": "writing requires points"}
            return self._take(body.decode())

    def _take(self, text: str) -> tuple[int, dict[str, str], dict[str, str]]:
        try:
            points = parse(text)
        except (AssertionError, ValueError) as error:
            return 400, {}, {"code": "invalid", "message": f"unable to parse points: {error}"}
        dropped = 0
        for (measurement, tags, time), fields in points.items():
            fits = all(
                self._types.setdefault((measurement, name), type(value)) is type(value)
                for name, value in fields.items()
            )
            if fits:
                self.content.setdefault((measurement, tags, time), {}).update(fields)
            else:
                dropped += 1
        if dropped:
            message = f"failure writing points to database: partial write: field type conflict dropped={dropped}"
            return 422, {}, {"code": "unprocessable entity", "message": message}
        return 204, {}, {}


class _Handler(BaseHTTPRequestHandler):
    influxdb: InfluxDB2
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        url = urlsplit(self.path)
        if url.path == "/api/v2/write":
            query = parse_qs(url.query)
            status, headers, answer = self.influxdb.write(query, self.headers.get("Authorization", ""), body)
        else:
            status, headers, answer = 404, {}, {"code": "not found", "message": "path not found"}
        content = json.dumps(answer).encode() if answer else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""
