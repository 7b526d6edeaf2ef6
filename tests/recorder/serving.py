"""A recorder's HTTP server around a real log, in a thread of the test's own."""

import asyncio
import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from homeiq.clock import Clock, SystemClock
from homeiq.recorder.health import Health
from homeiq.recorder.http import HttpServer
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.settings import HttpSettings, RecordingSettings
from homeiq.storage.files import Files
from homeiq.storage.log import EventLog
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Record
from pydantic import SecretStr

from storage.disks import FastFiles

__all__ = ["Answer", "Served", "records_in"]


@dataclass(frozen=True)
class Answer:
    """What was answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


def records_in(data_dir: Path) -> list[Record]:
    """Return all records of a log."""
    return [record for some in LogReader(data_dir).read() for record in some]


class Served:
    """Listens on a free port until it is left."""

    def __init__(
        self,
        data_dir: Path,
        *,
        token: str = "",
        files: Files | None = None,
        recording: RecordingSettings | None = None,
        clock: Clock | None = None,
        unconfigured: str = "",
        **settings: Any,
    ) -> None:
        self.data_dir = data_dir
        self.settings = HttpSettings(token=SecretStr(token), **({"port": 0} | settings))
        self._recording = recording or RecordingSettings(group_seconds=0.05)
        self._files = files or FastFiles()
        self._clock = clock or SystemClock()
        self._unconfigured = unconfigured
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        with EventLog(self.data_dir, files=self._files) as log:
            latest = Latest.load(self.data_dir, log.next_seq)
            self.intake = Intake(log, self._recording, self._clock, latest)
            self.health = Health(log, self.intake, self._recording, self._clock)
            self.health.unconfigured = self._unconfigured
            writing = asyncio.create_task(self.intake.run())
            server = HttpServer(self.settings, self.health, latest.keys, self._clock)
            serving = asyncio.create_task(server.run())
            while not any(self.health.http.values()):
                await asyncio.sleep(0.005)
            self._ready.set()
            await self._end.wait()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            self.intake.close()
            await writing

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.health.http["url"].rpartition(":")[2])

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Answer:
        """Send one request; header names have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body.encode() if isinstance(body, str) else body, named)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, body: bytes | str, query: str = "", **headers: str) -> Answer:
        """Post events."""
        return self.ask("POST", f"/events{query}", body, **headers)

    def in_loop(self, function: Any) -> Any:
        """Call a function in the server's loop, and return what it gives."""

        async def call() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)
