"""A small HTTP server that answers as InfluxDB 2.7 was seen to: tokens, buckets, partial writes, and what it can't delete.

InfluxDB 2.x itself cannot be installed from a package registry. What stands here was seen at a real one:

- a line that cannot be parsed makes it refuse the whole request with 400; a field with another type, and a point older
  than the bucket's retention, are refused with 422, the other points are written
- an unknown bucket or organisation is 404, a wrong token 401, one without the permission 403
- a delete takes both ends in, and knows nothing but equals joined by AND; keys that are words of InfluxQL, or hold more
  than letters, digits and `_`, need double quotes; it takes every series that has these tags, whatever tags it has besides;
  `tag=""` matches none, and is answered 204 all the same
"""

import copy
import gzip
import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .influxdb2_bucket import Bucket, Reply
from .influxql import Refused, answer_rows, selects
from .line_protocol import Content
from .web import Answer, request

__all__ = ["InfluxDB2"]

_READ, _WRITE = "read", "write"
_HEALTH = {"name": "influxdb", "message": "ready for queries and writes", "status": "pass", "checks": []}


class InfluxDB2:
    """One organisation `homeiq` with the bucket `home`, which a token may write to and read, and another only write to.

    Attributes:
        answers: (status, headers, body) for the next requests, before any of its own; a body that is text goes as it is.
        answers_to: the same for one path alone.
        asked: method and path of each request.
        now: its clock, in nanoseconds UTC, by which points are too old for a bucket.
    """

    def __init__(self) -> None:
        self.token, self.write_only_token = "right-token", "write-only-token"
        self.org, self.bucket = "homeiq", "home"
        self.tokens = {self.token: {_READ, _WRITE}, self.write_only_token: {_WRITE}}
        self.buckets: dict[str, Bucket] = {}
        self.make_bucket(self.bucket)
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.answers_to: dict[str, list[tuple[int, dict[str, str], Any]]] = {}
        self.asked: list[str] = []
        self.largest = 10_000_000
        self.now: Callable[[], int] = time.time_ns
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"influxdb": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self.asked)

    @property
    def content(self) -> Content:
        """What the bucket `home` holds."""
        return self.buckets[self.bucket].content

    def make_bucket(self, name: str, retention_seconds: int = 0) -> Bucket:
        """Make a bucket; 0: it keeps points for ever."""
        bucket = self.buckets[name] = Bucket(name, f"{len(self.buckets) + 1:016x}", retention_seconds)
        return bucket

    def write(self, bucket: str, lines: str) -> Answer:
        """Write line protocol with nanoseconds, as another process would; the answer, whatever it is."""
        url = f"{self.url}/api/v2/write?{urlencode({'org': self.org, 'bucket': bucket})}"
        return request("POST", url, body=lines, headers={"Authorization": f"Token {self.token}"})

    def read_back(self, bucket: str) -> Content:
        """Return everything that a bucket holds."""
        with self._lock:
            return self.buckets[bucket].content

    def drop_everything(self) -> None:
        """Empty all buckets, as if they had been deleted and made again."""
        for bucket in self.buckets.values():
            bucket.clear()

    def snapshot(self) -> dict[str, Bucket]:
        """Return a copy of everything."""
        with self._lock:
            return copy.deepcopy(self.buckets)

    def restore(self, snapshot: Mapping[str, Bucket]) -> None:
        """Be as at the time of the copy."""
        with self._lock:
            self.buckets = copy.deepcopy(dict(snapshot))

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, query: Mapping[str, str], token: str, body: bytes) -> Reply:
        """Return the answer to a request."""
        with self._lock:
            self.asked.append(f"{method} {path}")
            for queue in (self.answers_to.get(path, []), self.answers):
                if queue:
                    return queue.pop(0)
            match method, path:
                case "GET", "/health":
                    return 200, {}, {**_HEALTH, "version": "v2.7.12", "commit": "ec9dcde5d6"}
                case "GET" | "HEAD", "/ping":
                    return 204, {"X-Influxdb-Build": "OSS", "X-Influxdb-Version": "v2.7.12"}, None
                case _:
                    return self._answer(method, path, query, self.tokens.get(token.removeprefix("Token ")), body)

    def _answer(self, method: str, path: str, query: Mapping[str, str], scopes: set[str] | None, body: bytes) -> Reply:
        if scopes is None:
            return _error(401, "unauthorized", "unauthorized access")
        match method, path:
            case "POST", "/api/v2/write":
                return self._in_bucket(query, scopes, _WRITE, "write", lambda bucket: self._write(bucket, body))
            case "POST", "/api/v2/delete":
                return self._in_bucket(query, scopes, _WRITE, "delete", lambda bucket: bucket.delete(body))
            case "GET", "/api/v2/buckets":
                return self._list(query, scopes, "buckets", lambda bucket: bucket.described())
            case "GET", "/api/v2/orgs":
                if query.get("org") != self.org:
                    return _error(404, "not found", f'organization name "{query.get("org")}" not found')
                return 200, {}, {"orgs": [{"id": "0000000000000001", "name": self.org}]}
            case "POST", "/api/v2/buckets":
                if _WRITE not in scopes:
                    return _error(401, "unauthorized", "write:orgs/0000000000000001/buckets is unauthorized")
                self.make_bucket(str(json.loads(body)["name"]))
                return 201, {}, {"name": json.loads(body)["name"]}
            case "GET", "/api/v2/dbrps":
                return self._list({"name": query.get("db", "")}, scopes, "content", lambda bucket: bucket.mapping())
            case (("GET" | "POST"), "/query"):
                return self._query({**query, **dict(parse_qsl(body.decode()))}, scopes)
        return _error(404, "not found", "path not found")

    def _in_bucket(
        self, query: Mapping[str, str], scopes: set[str], scope: str, what: str, then: Callable[[Bucket], Reply]
    ) -> Reply:
        if query.get("org") != self.org:
            return _error(404, "not found", f'organization name "{query.get("org")}" not found')
        bucket = self.buckets.get(query.get("bucket", ""))
        if bucket is None:
            return _error(404, "not found", f'bucket "{query.get("bucket")}" not found')
        if scope not in scopes:
            return _error(403, "forbidden", f"insufficient permissions for {what}")
        return then(bucket)

    def _write(self, bucket: Bucket, body: bytes) -> Reply:
        if len(body) > self.largest:
            return _error(413, "request too large", "too large")
        if not body:
            return _error(400, "invalid", "writing requires points")
        return bucket.write(body.decode(), self.now())

    def _list(
        self, query: Mapping[str, str], scopes: set[str], name: str, described: Callable[[Bucket], dict[str, Any]]
    ) -> Reply:
        if _READ not in scopes:
            return _error(403, "forbidden", f"insufficient permissions to read {name}")
        wanted = [bucket for bucket in self.buckets.values() if query.get("name", bucket.name) == bucket.name]
        return 200, {}, {name: [described(bucket) for bucket in wanted]}

    def _query(self, query: Mapping[str, str], scopes: set[str]) -> Reply:
        if _READ not in scopes:
            return _error(403, "forbidden", "insufficient permissions to query")
        try:
            statements = selects(query.get("q", ""))
        except Refused as error:
            return _error(400, "invalid", f"error parsing query: {error}")
        if query.get("epoch") != "ns":
            return _error(400, "invalid", "the tests' own server knows no times but nanoseconds")
        bucket = self.buckets.get(query.get("db", ""))
        if bucket is None:
            return 200, {}, _line([{"statement_id": 0, "error": f"database not found: {query.get('db')}"}])
        lines = []
        for number, select in enumerate(statements):
            rows = list(answer_rows(select, bucket.series))
            chunks = [part for row in rows for part in _parts(row, int(query.get("chunk_size", 10_000)))]
            results: list[dict[str, Any]] = [{"statement_id": number, "series": [chunk]} for chunk in chunks]
            for result in results[:-1]:
                result["partial"] = True
            results = results or [{"statement_id": number}]
            lines += [_line([result]) for result in results]
        return 200, {}, "".join(lines)


def _parts(row: dict[str, Any], size: int) -> list[dict[str, Any]]:
    starts = range(0, len(row["values"]), size)
    parts = [{**row, "values": row["values"][start : start + size]} for start in starts]
    for part in parts[:-1]:
        part["partial"] = True
    return parts


def _line(results: list[dict[str, Any]]) -> str:
    return json.dumps({"results": results}, ensure_ascii=False, separators=(",", ":")) + "\n"


def _error(status: int, code: str, message: str) -> Reply:
    return status, {}, {"code": code, "message": message}


class _Handler(BaseHTTPRequestHandler):
    influxdb: InfluxDB2
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece: in two, the client's acknowledgement of the first takes 40 ms
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        reply = self.influxdb.answer(self.command, url.path, query, self.headers.get("Authorization", ""), body)
        status, headers, answer = reply
        text = answer if isinstance(answer, str) else json.dumps(answer) if answer else ""
        content = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204 and self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""
