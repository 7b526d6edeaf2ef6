"""Requests to a running recorder, on `<data dir>/control.sock`: one JSON object a line, one JSON object back.

{"do": "position"}   {"durable_seq": 1234}
{"do": "rotate"}     {"durable_seq": 1234}     everything up to there can be sealed now
{"do": "status"}     the recorder's live facts
{"do": "backfill", "since": 1234, "until": 2345}   asks for the history of these times (microseconds UTC)
{"do": "backfill_progress"}                        how far that is; {} when none was asked for
{"do": "backfill_stop"}                            ends it
{"do": "append", "events": [[time, source, origin, event_type, entity_id, state, raw], …]}   see imports.py
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from ..errors import HomeiqError, LogError

__all__ = ["Answer", "ControlServer", "ask", "facts_of", "socket_path"]

_log = logging.getLogger(__name__)

_LONGEST_LINE = 256 << 20
"""A request with one event of the greatest size that Home Assistant may send must have room."""

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Gets the request, and returns what is answered; raises HomeiqError for what it could not do."""


def socket_path(data_dir: Path) -> Path:
    """Return where a recorder of this data folder listens."""
    return data_dir / "control.sock"


class ControlServer:
    """Answers requests by the functions that it was given, by the name of what is to be done."""

    def __init__(self, data_dir: Path, answers: Mapping[str, Answer]) -> None:
        self._path = socket_path(data_dir)
        self._answers = answers
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the lock of the log proves that a socket found there is nobody's. Where it can't, it says so."""
        try:
            self._path.unlink(missing_ok=True)
            with _Folder(self._path) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=_LONGEST_LINE)
            self._path.chmod(0o600)
        except OSError as error:
            _log.warning("this recorder takes no requests: %s cannot be made (%s)", self._path, error.strerror or error)

    async def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(orjson.dumps(await self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the asker is gone, or sent more than a line may hold
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = orjson.loads(line)
            answer = self._answers[request["do"]]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return {"error": f"known requests are {', '.join(sorted(self._answers))}"}
        try:
            return await answer(request)
        except HomeiqError as error:
            return {"error": str(error)}


def ask(data_dir: Path, what: str, timeout: float = 30.0, **arguments: object) -> dict[str, Any] | None:
    """Ask the recorder of this data folder; None if none runs. Raises LogError with what it could not do."""
    with socket.socket(socket.AF_UNIX) as connection, _Folder(socket_path(data_dir)) as path:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
            connection.sendall(orjson.dumps({"do": what, **arguments}) + b"\n")
            line = connection.makefile("rb").readline()
        except (FileNotFoundError, ConnectionError):
            return None
        except TimeoutError:
            raise LogError("the recorder does not answer", hint="look at its log") from None
    answer: dict[str, Any] = orjson.loads(line) if line else {"error": "the recorder stopped before it answered"}
    if "error" in answer:
        raise LogError(f"the recorder could not {what}", hint=str(answer["error"]))
    return answer


class _Folder:
    """A path to a socket that is short enough for the system, however deep the data folder lies (limit: 107 bytes)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> str:
        try:
            self._descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return str(self._path)
        return f"/proc/self/fd/{self._descriptor}/{self._path.name}"

    def __exit__(self, *exception: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def facts_of(data_dir: Path, *, timeout: float) -> dict[str, Any] | None:
    """Return a running recorder's live facts; None if none runs, `problem` alone where it does not answer."""
    try:
        return ask(data_dir, "status", timeout=timeout)
    except (LogError, OSError, ValueError) as error:
        return {"problem": str(error)}
