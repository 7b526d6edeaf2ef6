"""An HTTP proxy before a database that does what networks and servers do on bad days. It counts what it did."""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

__all__ = ["FAULTS", "FaultyProxy"]

FAULTS = (
    *("unavailable", "busy", "taken but no answer", "cut in the request", "cut in the answer"),
    *("too large", "garbage", "slow", "bad gateway"),
)


class FaultyProxy:
    """Hands requests on to `url`; of so many in ten it does one of `faults` instead, until it is told to be good."""

    def __init__(self, url: str, faults: Sequence[str] = FAULTS, *, in_ten: int = 4, seed: int = 1) -> None:
        self.upstream = urlsplit(url).netloc
        self.did: Counter[str] = Counter()
        self.good = False
        self._chance = random.Random(seed)
        self._faults = faults
        self._in_ten = in_ten
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def next_fault(self) -> str:
        """Return what to do with the next request; an empty text is nothing."""
        with self._lock:
            fault = "" if self.good or self._chance.randrange(10) >= self._in_ten else self._chance.choice(self._faults)
            self.did[fault or "handed on"] += 1
            return fault

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        fault = self.proxy.next_fault()
        length = int(self.headers.get("Content-Length", 0))
        if fault == "cut in the request":
            self.rfile.read(length // 2)
            self._cut()
            return
        body = self.rfile.read(length)
        match fault:
            case "unavailable":
                self._answer(503, b'{"error":"shutting down"}')
            case "busy":
                self._answer(429, b'{"error":"limit"}', {"Retry-After": "0.2"})
            case "bad gateway":
                self._answer(502, b"<html>nginx</html>")
            case "too large" if length > 1_000:
                self._answer(413, b'{"error":"Request Entity Too Large"}')
            case "garbage":
                self.wfile.write(b"\x00\xff garbage\r\n\r\n")
                self._cut()
            case "taken but no answer":
                self._hand_on(body)
                self._cut()
            case "cut in the answer":
                _, _, content = self._hand_on(body)
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + content[:10])
                self._cut()
            case _:
                if fault == "slow":
                    time.sleep(0.3)
                status, headers, content = self._hand_on(body)
                self._answer(status, content, headers)

    do_GET = do_POST

    def _hand_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            kept = ("content-type", "x-influxdb-version", "retry-after")
            passed = {name: value for name, value in answer.getheaders() if name.lower() in kept}
            return answer.status, passed, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if status != 204 else b"")

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""
