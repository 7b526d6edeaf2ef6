"""`homeiq simulate`."""

from __future__ import annotations

import asyncio
import signal
from zoneinfo import ZoneInfo

from ..clock import SystemClock
from ..connectors.simulated import run_simulator
from .terminal import print_line
from .times import parse_time

__all__ = ["simulate"]


def simulate(port: int, speed: float, seed: int, token: str, start: str | None) -> None:
    """Serve a simulated home until SIGTERM or SIGINT. Raises UsageError if the port is taken."""
    clock = SystemClock()
    begin = parse_time(start, ZoneInfo("UTC"), clock.now(), "--start")
    asyncio.run(_serve(port, speed, seed, token, clock.now() if begin is None else begin))


async def _serve(port: int, speed: float, seed: int, token: str, start: int) -> None:
    def announce(url: str) -> None:
        print_line(f"a simulated Home Assistant listens at {url}; its token is {token}")

    serving = asyncio.ensure_future(
        run_simulator(announce=announce, port=port, speed=speed, seed=seed, token=token, start=start)
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return
