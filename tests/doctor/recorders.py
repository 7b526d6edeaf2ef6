"""A recorder that says what a test tells it to say: for states that a real one is not brought to on purpose."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from homeiq.recorder.control import ControlServer, socket_path

__all__ = ["recorder_saying", "silent_recorder", "source", "status"]


def source(name: str = "home_assistant", **facts: Any) -> dict[str, Any]:
    """Return what a recorder says of one source; by default that it is connected."""
    usual = {"connected": True, "since": "2026-11-20T00:00:00.000000+00:00", "reason": "", "events": 5, "warnings": []}
    return {"name": name, **usual, **facts}


def status(*sources: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """Return what a recorder says of itself; by default that it is ready."""
    usual = {
        "version": version("homeiq"),
        "started_at": "2026-11-20T00:00:00.000000+00:00",
        "ready": not facts.get("reasons"),
        "reasons": [],
        "durable_seq": 33,
        "unsynced_records": 0,
        "dropped": 0,
        "left_out": 0,
        "sources": list(sources) or [source()],
    }
    return usual | facts


@contextmanager
def recorder_saying(data_dir: Path, said: dict[str, Any]) -> Iterator[None]:
    """Answer on the control socket of a data folder."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def answer(request: Any) -> dict[str, Any]:
        return said

    server = ControlServer(data_dir, {"status": answer})
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: ControlServer) -> None:
    await server.stop()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@contextmanager
def silent_recorder(data_dir: Path) -> Iterator[None]:
    """Take requests, and answer none."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(socket_path(data_dir)))
        listening.listen()
        yield
