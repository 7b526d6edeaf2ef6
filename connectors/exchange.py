"""One request to a service, its answer, and what is recorded of both: everything needed, and no secret. Pure.

    {"provider": …, "request": {"method", "url", "params"}, "status": 200, "headers": {…}, "body": "as received"}

A body that is not UTF-8 is base64 and `"encoding": "base64"` says so; one that was cut, by us or by the service, has
`"truncated": true`.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, quote_plus

import orjson

from ..clock import SECOND
from ..errors import SourceBusy, SourceError, SourceRefused, SourceUnreachable, TokenRefused

__all__ = ["LARGEST_BODY", "REMOVED", "Secrets", "Request", "Answer", "record_text", "failure_of"]

LARGEST_BODY: Final = 4 << 20
"""Bytes that are kept of a body: the largest that a utility sends in earnest is some hundred kilobytes."""

REMOVED: Final = "(removed)"
"""What stands where a secret stood."""

_RECORDED_HEADERS: Final = ("content-type", "date", "retry-after")
_SHORT: Final = 8
"""A secret shorter than this may stand in a body by chance ("1234"): it is removed only where it is a whole text."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is sent with a request and never recorded; `words` are further texts that must not be found in a record.

    `digest` is the name and password for digest authentication.
    """

    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    digest: tuple[str, str] | None = field(default=None, repr=False)
    words: tuple[str, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        """Whether anything secret is sent."""
        return bool(self.params or self.headers or self.digest)

    def remove_from(self, data: bytes) -> bytes:
        """Return the bytes without any of the secrets, in whatever form a service may give one back."""
        for word in sorted(set(self._words()), key=len, reverse=True):
            for form, instead in _forms(word):
                data = data.replace(form, instead)
        return data

    def _words(self) -> Iterator[str]:
        """Yield each secret; of a header such as `Bearer x` also the x."""
        yield from self.params.values()
        for value in self.headers.values():
            yield from (value, value.rpartition(" ")[2])
        if self.digest:
            yield self.digest[1]
        yield from self.words


def _forms(word: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield how a word may be written in a body (as it is, in a URL, in JSON), and what is to stand there instead."""
    if not word:
        return
    in_json = orjson.dumps(word)
    if len(word) < _SHORT:
        yield in_json, orjson.dumps(REMOVED)
        return
    plain = word.encode()
    misread = plain.decode("latin-1").encode()  # by a service that takes UTF-8 in a header for Latin-1
    in_url = (quote(word, safe="").encode(), quote_plus(word).encode())
    for form in dict.fromkeys((plain, in_json[1:-1], *in_url, misread)):
        yield form, REMOVED.encode()


@dataclass(frozen=True, slots=True)
class Request:
    """What a service is asked. `params` are the query, or `body` is sent as JSON; both are recorded, as `params`.

    `timeout` is in seconds, for all of it.
    """

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)
    method: str = "GET"
    body: Mapping[str, Any] | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case; times are microseconds UTC.

    `truncated`: `body` is not all of it. `broken` says why where it was not we who cut it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: int
    received_at: int
    truncated: bool = False
    broken: str = ""

    def json(self) -> Any:
        """Return the body read as JSON; raises ValueError."""
        return orjson.loads(self.body)

    @property
    def retry_after(self) -> float | None:
        """The seconds that the service asks for; None if it does not, or not readably."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        return max(0.0, moment - self.received_at / SECOND)


def record_text(provider: str, request: Request, answer: Answer) -> str:
    """Return the raw text of the record of a request and its answer."""
    clean = request.secrets.remove_from
    content: dict[str, Any] = {
        "provider": provider,
        "request": {
            "method": request.method,
            "url": clean(request.url.encode()).decode(),
            "params": _cleaned(request.params if request.body is None else request.body, clean),
        },
        "status": answer.status,
        "headers": {
            name: clean(_text(answer.headers[name])).decode() for name in _RECORDED_HEADERS if name in answer.headers
        },
    }
    body = clean(answer.body)
    try:
        # What was cut may end within a character: its first bytes are no reason to call the whole something else.
        content["body"] = codecs.getincrementaldecoder("utf-8")().decode(body, final=not answer.truncated)
    except UnicodeDecodeError:
        content["body"] = base64.b64encode(body).decode("ascii")
        content["encoding"] = "base64"
    if answer.truncated:
        content["truncated"] = True
    return orjson.dumps(content).decode()


def _cleaned(value: Any, clean: Callable[[bytes], bytes]) -> Any:
    """Return what was sent with its texts cleaned one by one: a secret may look like a part of the JSON around it."""
    if isinstance(value, Mapping):
        return {_cleaned(key, clean): _cleaned(part, clean) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(part, clean) for part in value]
    return clean(value.encode()).decode() if isinstance(value, str) else value


def _text(value: str) -> bytes:
    """Return a header's value in UTF-8, whatever bytes it was sent in."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def failure_of(answer: Answer, who: str, hint: str = "") -> SourceError | None:
    """Return what an answer's status says went wrong, or None. `who` is the service; `hint` helps against 401 and 403.

    What stands in the body decides nothing: its meaning is the normalizer's business.
    """
    status = answer.status
    if answer.broken:
        return SourceUnreachable(f"{who} {answer.broken}", gap_reason="connection_lost")
    if 200 <= status < 300:
        return None
    said = f"HTTP {status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return TokenRefused(f"{who} refuses access ({said})", hint=hint)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or status >= 500:
        return SourceBusy(f"{who} cannot answer now ({said})", retry_after=answer.retry_after)
    if 300 <= status < 400:
        return SourceRefused(
            f"{who} sends us somewhere else ({said}), where we do not go", hint="set the url of its section"
        )
    return SourceRefused(f"{who} does not know what it is asked ({said})", hint="check its section of the settings")
