"""Which states of a time the log holds already, asked of a child process: it loads pyarrow, the recorder does not.

    python -m homeiq.recorder.known DATA_DIR

reads lines `start end` (microseconds UTC), and answers each with one line of JSON: entity → the times of its states in
[start, end).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from types import TracebackType

import orjson

__all__ = ["Known", "main"]

_log = logging.getLogger(__name__)

_LONGEST_LINE = 256 << 20


class Known:
    """The states of one span of time after the other. Where the child can't say, nothing is known."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._child: asyncio.subprocess.Process | None = None
        self._span: tuple[int, int] | None = None
        self._states: dict[int, str] = {}

    async def __aenter__(self) -> Known:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            await self._child.wait()

    async def look_up(self, start: int, end: int) -> None:
        """Know the states with times in [start, end), microseconds UTC, and no others."""
        if self._span == (start, end):
            return
        self._span, self._states = (start, end), {}
        line = await self._answer(start, end)
        try:
            self._states = {time: name for name, times in orjson.loads(line).items() for time in times}
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            _log.warning("the log could not be asked what it holds already; some of it is recorded once more")

    def whose(self, time: int) -> str | None:
        """Return the entity whose state of exactly this microsecond the log holds; see Recent.whose."""
        return self._states.get(time)

    async def _answer(self, start: int, end: int) -> bytes:
        if self._child is None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "homeiq.recorder.known",
                str(self._data_dir),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LONGEST_LINE,
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(b"%d %d\n" % (start, end))
            await self._child.stdin.drain()
            return await self._child.stdout.readline()
        except (ConnectionError, ValueError):
            return b""


def main(data_dir: Path) -> None:
    """Answer until there is no more question."""
    from ..storage.reader import times_of
    from ..storage.record import STATE_TYPES
    from ..storage.view import LogView

    for line in sys.stdin:
        start, end = map(int, line.split())
        found: dict[str, list[int]] = {}
        while True:
            try:
                found.clear()
                view = LogView(data_dir)
                for table in view.scan(["entity_id", "time"], start=start, end=end, event_types=STATE_TYPES):
                    for name, time in times_of(table):
                        found.setdefault(name, []).append(time)
                break
            except FileNotFoundError:  # a file was superseded meanwhile
                continue
        sys.stdout.write(orjson.dumps(found).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
