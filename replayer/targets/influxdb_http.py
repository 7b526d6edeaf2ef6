"""Requests to an InfluxDB other than writes, over the connections of its client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError, LocationParseError

from ...errors import TargetRefused
from ...settings import InfluxDBSettings
from .influxdb_answers import asking_error, cut_off, reason_of, unreachable
from .influxql import NotAnswered, results_of

__all__ = ["Answer", "InfluxDBRequests"]

_PATIENCE = 4
"""A question may take so many times as long as a write: it has a window, or all of a measurement, to look through."""

_SIGN_SECONDS = 1.0
"""A sign of life comes within so long, or is asked for again."""

_CHUNK_ROWS = 1_000
_PIECE = 1 << 18


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, None if it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class InfluxDBRequests:
    """Asks one server. All raise TargetUnreachable where nobody answers."""

    def __init__(self, settings: InfluxDBSettings, pool: Any) -> None:
        """`pool` is a urllib3.PoolManager."""
        self._settings = settings
        self._pool = pool
        token = settings.token.get_secret_value()
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._timeout = Timeout(connect=settings.timeout, read=_PATIENCE * settings.timeout)
        self.database, _, self.policy = settings.bucket.partition("/")

    def answers(self) -> bool:
        """Tell whether there is somebody who answers, soon, and not for a server behind it that is away."""
        try:
            response: BaseHTTPResponse = self._pool.request(
                "GET",
                self._settings.url.rstrip("/") + "/ping",
                headers=self._headers,
                timeout=Timeout(connect=_SIGN_SECONDS, read=_SIGN_SECONDS),
                retries=False,
            )
        except (HTTPError, OSError):
            return False
        return response.status < HTTPStatus.INTERNAL_SERVER_ERROR

    def get(self, path: str, **parameters: str) -> Answer:
        """Ask for something small; raises TargetBusy, TargetUnreachable for an answer that says nothing of it."""
        with self._sent("GET", f"{path}?{_encoded(parameters)}" if parameters else path) as response:
            answer = Answer(response.status, dict(response.headers), response.read())
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise asking_error(self._settings, answer.status, answer.headers, reason_of(answer.body), "read")
        return answer

    def post(self, path: str, body: Mapping[str, str], **parameters: str) -> Answer:
        """Have something done that is described as JSON."""
        headers = {"Content-Type": "application/json"}
        with self._sent("POST", f"{path}?{_encoded(parameters)}", orjson.dumps(body), headers) as response:
            return Answer(response.status, dict(response.headers), response.read())

    def query(self, statement: str, what: str = "read") -> Iterator[Mapping[str, Any]]:
        """Yield the results of a statement that changes nothing, as they come.

        Raises TargetRefused, TargetBusy, TargetUnreachable, also while it is being iterated.
        """
        parameters = self._parameters(statement) | {"chunked": "true", "chunk_size": str(_CHUNK_ROWS)}
        yield from self._results("GET", f"/query?{_encoded(parameters)}", None, {}, what)

    def do(self, statement: str, what: str) -> None:
        """Carry out statements that change something; raises as `query` does."""
        body = _encoded(self._parameters(statement)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for _ in self._results("POST", "/query", body, headers, what):
            pass

    def _parameters(self, statement: str) -> dict[str, str]:
        policy = {"rp": self.policy} if self.policy else {}
        return {"db": self.database, **policy, "epoch": "ns", "q": statement}

    def _results(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], what: str
    ) -> Iterator[Mapping[str, Any]]:
        with self._sent(method, target, body, headers) as response:
            if response.status != 200:
                reason = reason_of(response.read(), response.reason or "")
                raise asking_error(self._settings, response.status, response.headers, reason, what)
            try:
                yield from results_of(self._lines(response))
            except NotAnswered as error:
                raise asking_error(self._settings, response.status, response.headers, str(error), what) from None

    def _lines(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        rest: list[bytes] = []
        for piece in response.stream(_PIECE):
            *lines, end = piece.split(b"\n")
            if lines:
                yield b"".join([*rest, lines[0]])
                yield from filter(None, lines[1:])
                rest = []
            rest.append(end)
        if last := b"".join(rest):
            yield last

    @contextmanager
    def _sent(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[BaseHTTPResponse]:
        """Send a request; what is left of the answer when the context ends is not waited for."""
        try:
            response: BaseHTTPResponse = self._pool.request(
                method,
                self._settings.url.rstrip("/") + target,
                body=body,
                headers={**self._headers, **(headers or {})},
                timeout=self._timeout,
                retries=False,
                preload_content=False,
            )
        except LocationParseError as error:
            raise TargetRefused(f"influxdb.url is not an address ({error})", hint="set influxdb.url") from None
        except (HTTPError, OSError) as error:
            raise unreachable(self._settings, error) from None
        try:
            yield response
        except (HTTPError, OSError) as error:
            raise cut_off(self._settings, error) from None
        finally:
            response.close()
            response.release_conn()


def _encoded(parameters: Mapping[str, str]) -> str:
    return urlencode(parameters, errors="replace")
