"""Events/s made durable from a socket."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from workload import moved

from servers.homeiq import Homeiq, wait_for

__all__ = ["from_socket", "home", "memory_mb"]

_EVENTS = 200_000
_STATES = 100


async def _forget(socket: ServerConnection) -> None:
    """Read what is asked, such as registries that have changed: unread, it would hold up the answers to pings."""
    async for _ in socket:
        pass


def home(sample: list[bytes], to_parent: Connection, count: int = _EVENTS, shift: int = 0, rate: int = 0) -> None:
    """A Home Assistant that, once subscribed to, sends the sample again and again as fast as it is read.

    `count` events in all, about `rate` a second where that is given; each time the sample is sent its times are `shift`
    microseconds later.
    """

    async def talk(socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "auth_required", "ha_version": "benchmark"}))
        await socket.recv()
        await socket.send(json.dumps({"type": "auth_ok", "ha_version": "benchmark"}))
        answered = 0
        while answered < 9:  # configuration, subscription, and the seven parts of a snapshot
            message = json.loads(await socket.recv())
            if message["type"] == "ping":
                await socket.send(json.dumps({"id": message["id"], "type": "pong"}))
                continue
            result: Any = {"version": "benchmark"} if message["type"] == "get_config" else []
            await socket.send(json.dumps({"id": message["id"], "type": "result", "success": True, "result": result}))
            answered += 1
        await asyncio.sleep(1.5)  # what came so far is durable
        reading = asyncio.create_task(_forget(socket))
        texts = [frame.decode() for frame in sample]
        to_parent.send(time.time())
        sent = 0
        while sent < count:
            for text in texts[: count - sent]:
                await socket.send(text)
                sent += 1
                if rate and sent % (rate // 10) == 0:
                    await asyncio.sleep(0.1)
            if shift:
                texts = [moved(text.encode(), shift).decode() for text in texts]
        await reading

    async def run() -> None:
        async with serve(talk, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            to_parent.send(next(iter(server.sockets)).getsockname()[1])
            await asyncio.Event().wait()

    asyncio.run(run())


def from_socket(sample: list[bytes], folder: Path) -> dict[str, Any]:
    """Return how fast a recorder makes events durable, and how much memory it takes."""
    folder.mkdir()
    here, there = multiprocessing.Pipe()
    served = multiprocessing.get_context("spawn").Process(target=home, args=(sample, there), daemon=True)
    served.start()
    port = here.recv()
    try:
        with Homeiq(folder, HOME_ASSISTANT_URL=f"http://127.0.0.1:{port}", HOME_ASSISTANT_TOKEN="any") as homeiq:
            recorder = homeiq.start("record")
            began = here.recv()
            before = (homeiq.ask("position") or {"durable_seq": 0})["durable_seq"]
            wait_for(
                "all events",
                lambda: (homeiq.ask("position") or {"durable_seq": 0})["durable_seq"] >= before + _EVENTS,
                300,
            )
            seconds = time.time() - began
            memory = memory_mb(recorder.pid, "VmHWM")
            homeiq.stop(recorder)
    finally:
        served.kill()
        served.join()
    return {"recorded_events_a_second": _EVENTS / seconds, "recorder_peak_memory_mb": memory}


def memory_mb(process: int, what: str) -> float:
    """Return the memory of a process in MB: VmRSS, what it uses now, or VmHWM, the most that it has used so far."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    return float("nan")
