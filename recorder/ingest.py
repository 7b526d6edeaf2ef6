"""POST /events: answered only once its events are durable."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..clock import Clock
from ..connectors.pushed import MOST_EVENTS, ORIGINS_TO_STATE, SOURCE, Refused, TooManyEvents, events_of
from ..storage.record import Event, Origin
from .idempotency import MOST_KEYS, Keys, Known, digest_of, key_event
from .intake import Busy, Intake, TooLarge

__all__ = ["Ingest", "answer"]

_BODY_SECONDS: Final = 30.0
_BODIES_HELD: Final = 4
"""Bodies that are being received may take so many times the largest one, all together."""

_SMALL: Final = 50_000
"""A body of so many bytes is read in the loop; a larger one in a thread, so that the loop goes on meanwhile."""

_LONGEST_KEY: Final = 255
_MOST_MEMBERS: Final = 100


def answer(status: int, content: dict[str, object], **headers: str) -> web.Response:
    """Return an answer in JSON; headers are named with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json", headers=named)


class _Answered(Exception):
    """A request ends here, with this answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__()
        self.response = response


def _refuse(status: int, error: str, **headers: str) -> _Answered:
    return _Answered(answer(status, {"error": error}, **headers))


class Ingest:
    """Takes pushed events, each request whole or not at all."""

    def __init__(self, intake: Intake, keys: Keys, clock: Clock, max_body_bytes: int) -> None:
        self._intake = intake
        self._keys = keys
        self._clock = clock
        self._most = max_body_bytes
        self._held = 0
        self._under_way: dict[str, tuple[Known, asyncio.Future[tuple[int, int]]]] = {}
        self._reader = ThreadPoolExecutor(1, "http-reader")

    async def post(self, request: web.Request) -> web.Response:
        """Answer a request; 201 means that all of its events are durable."""
        try:
            origin = _origin(request)
            key = _key(request)
            with self._received_body() as body:
                await self._receive(request, body)
                known, replayed = await self._record(_decompressed(request, bytes(body), self._most), origin, key)
        except _Answered as answered:
            return answered.response
        except Refused as refused:
            where: dict[str, object] = {**refused.at, **({"field": refused.field} if refused.field else {})}
            return answer(400, {"error": str(refused), **where})
        except TooManyEvents:
            return answer(413, {"error": f"more than {MOST_EVENTS} events in one request: send fewer in each"})
        except TooLarge as error:
            return answer(413, {"error": f"{error}: send fewer events"})
        except Busy as busy:
            return answer(503, {"error": f"nothing was recorded: {busy}"}, Retry_After=str(busy.retry_after))
        headers = {"Idempotency_Replayed": "true"} if replayed else {}
        return answer(201, {"first_seq": known[0], "last_seq": known[1]}, **headers)

    def close(self) -> None:
        """Need no thread any more."""
        self._reader.shutdown(wait=False)

    @contextmanager
    def _received_body(self) -> Iterator[bytearray]:
        """Give what a body is received into, and count it as held until the request is answered."""
        body = bytearray()
        try:
            yield body
        finally:
            self._held -= len(body)

    async def _receive(self, request: web.Request, body: bytearray) -> None:
        too_large = _refuse(413, f"the body is larger than {self._most} bytes (http.max_body_bytes): send fewer events")
        if (request.content_length or 0) > self._most:
            raise too_large
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.content.iter_any():
                    if len(body) + len(chunk) > self._most:
                        raise too_large
                    if self._held + len(chunk) > _BODIES_HELD * self._most:
                        raise _refuse(429, "too many bodies are being received at once", Retry_After="1")
                    body += chunk
                    self._held += len(chunk)
        except TimeoutError:
            raise _refuse(408, f"the body did not come within {_BODY_SECONDS:.0f} seconds") from None
        except (HttpProcessingError, web.RequestPayloadError, EOFError, ValueError):
            raise _refuse(400, "the body did not come whole") from None

    async def _record(self, body: bytes, origin: Origin, key: str) -> tuple[tuple[int, int], bool]:
        """Return the first and the last seq of a request, and whether it had been recorded before."""
        if not key:
            return await self._intake.take_group(await self._events(body, origin)), False
        digest = digest_of(body, origin)
        if self._is_to_do(key, self._recorded(key, digest)):
            events = await self._events(body, origin)
            known = self._recorded(key, digest)  # another may have come meanwhile
            if self._is_to_do(key, known):
                known = await self._begin(key, digest, events, known)
                return (known.first_seq, known.last_seq), False
        if key in self._under_way:
            await asyncio.shield(self._under_way[key][1])
        known = self._recorded(key, digest)
        assert known is not None
        return (known.first_seq, known.last_seq), True

    def _is_to_do(self, key: str, known: Known | None) -> bool:
        return key not in self._under_way and (known is None or not known.complete)

    def _recorded(self, key: str, digest: str) -> Known | None:
        """Return what is known of this request, be it under way or recorded; raises if the key was another's."""
        known = self._under_way[key][0] if key in self._under_way else self._keys.get(key, self._clock.now())
        if known is not None and known.digest != digest:
            raise _refuse(422, "this Idempotency-Key came with another body or origin before: take a new key")
        return known

    async def _begin(self, key: str, digest: str, events: list[Event], before: Known | None) -> Known:
        """Record a request with a key, or what a crash left of it."""
        now = events[0].received_at
        if before is None and self._keys.is_full(now):
            raise _refuse(429, f"more than {MOST_KEYS} idempotency keys within 24 hours", Retry_After="60")
        known = replace(before, received_at=now) if before else Known(key, digest, now, len(events), 0, 0, 0)
        events = events[known.done :]
        future = self._intake.take_group([key_event(known, SOURCE), *events])
        self._under_way[key] = (known, future)

        def ended(future: asyncio.Future[tuple[int, int]]) -> None:
            """Before anybody who waits goes on: even if the one who asked is gone, the key is known."""
            del self._under_way[key]
            if not future.cancelled() and future.exception() is None:
                first, last = future.result()
                known.first_seq = known.first_seq or first + 1
                known.last_seq, known.done = last, known.count
                self._keys.add(known)

        future.add_done_callback(ended)
        await asyncio.shield(future)
        return known

    async def _events(self, body: bytes, origin: Origin) -> list[Event]:
        if len(body) <= _SMALL:
            return events_of(body, origin, self._clock.now())
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, events_of, body, origin, self._clock.now())


def _origin(request: web.Request) -> Origin:
    """Return the origin that the caller states by ?origin=…, by default `manual`."""
    unknown = set(request.query) - {"origin"}
    if unknown:
        raise _refuse(400, "only the parameter origin is known")
    stated = request.query.getall("origin", [ORIGINS_TO_STATE[0]])
    for origin in ORIGINS_TO_STATE:
        if stated == [origin]:
            return origin
    raise _refuse(400, f"origin must be one of {', '.join(ORIGINS_TO_STATE)}")


def _key(request: web.Request) -> str:
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return ""
    if len(keys) > 1 or not 0 < len(keys[0]) <= _LONGEST_KEY or not (keys[0].isascii() and keys[0].isprintable()):
        raise _refuse(400, f"Idempotency-Key must be 1 to {_LONGEST_KEY} printable ASCII characters")
    return keys[0]


def _decompressed(request: web.Request, body: bytes, most: int) -> bytes:
    """Return a body as it was before its Content-Encoding; never makes more than `most` bytes."""
    encoding = ",".join(request.headers.getall("Content-Encoding", [])).strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise _refuse(415, "Content-Encoding may be gzip only", Accept_Encoding="gzip")
    whole = bytearray()
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            whole += member.decompress(body, most - len(whole) + 1)
        except zlib.error:
            raise _refuse(400, "the body is not gzip") from None
        if len(whole) > most:
            raise _refuse(413, f"the body is larger than {most} bytes (http.max_body_bytes) when it is uncompressed")
        if not member.eof:
            raise _refuse(400, "the body is not whole gzip")
        body = member.unused_data
        if not body.rstrip(b"\0"):
            return bytes(whole)
    raise _refuse(400, f"the body has more than {_MOST_MEMBERS} gzip members")
