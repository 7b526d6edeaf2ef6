"""The few HTTP requests that the harness itself makes, without any of the product's code."""

import http.client
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Answer", "request", "serving"]

# Requests to the loopback address never go through a proxy of the environment.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `status` is 0 when nobody did."""

    status: int
    body: str

    @property
    def ok(self) -> bool:
        """Whether the server said that it did what was asked."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


def request(
    method: str,
    url: str,
    *,
    body: Any = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Answer:
    """Send one request: `body` as JSON (a str or bytes as it is), or `form` as a form. Never raises for an answer."""
    data = _encode(body, form)
    asked = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
    if body is not None and not isinstance(body, (str, bytes)):
        asked.add_header("Content-Type", "application/json")
    try:
        with _opener.open(asked, timeout=timeout) as response:
            return Answer(response.status, response.read().decode())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, repr(error))


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port of this machine, each request in a thread; gives host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _encode(body: Any, form: Mapping[str, str] | None) -> bytes | None:
    if form is not None:
        return urllib.parse.urlencode(form).encode()
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
