"""A simulated Home Assistant: a whole home that speaks the real WebSocket protocol, for trying out and for tests.

`SimulatedHome` is the home without any I/O; `SimulatedHomeAssistant` serves it; `run_simulator` does both until cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from ...clock import DAY, SystemClock
from ...errors import UsageError
from .conversation import Rules
from .history import Period
from .home import EVENTS_PER_SECOND, QUIET_EVENTS_PER_SECOND, SimulatedHome, speed_for
from .server import Options, SimulatedHomeAssistant
from .services import UnknownService
from .state import Fired

__all__ = [
    "DEFAULT_SPEED",
    "DEFAULT_TOKEN",
    "EVENTS_PER_SECOND",
    "QUIET_EVENTS_PER_SECOND",
    "Fired",
    "Options",
    "Period",
    "Rules",
    "SimulatedHome",
    "SimulatedHomeAssistant",
    "UnknownService",
    "run_simulator",
    "speed_for",
]

DEFAULT_SPEED: Final = 600.0
"""A day in 2.4 minutes: 90 events a second on average, 30 in the quietest ten minutes of a night."""

DEFAULT_TOKEN: Final = "simulated-home"

_BEFORE: Final = 30 * DAY


async def run_simulator(
    *,
    announce: Callable[[str], None],
    port: int = 8123,
    speed: float = DEFAULT_SPEED,
    seed: int = 1,
    token: str = DEFAULT_TOKEN,
    start: datetime | int | None = None,
) -> None:
    """Serve a simulated home on a loopback port (0: a free one) until cancelled.

    Calls `announce` with the URL once it listens. Without `start` the home begins 30 days ago. Raises UsageError if the
    port is taken.
    """
    home = SimulatedHome(seed, SystemClock().now() - _BEFORE if start is None else start)
    server = SimulatedHomeAssistant(home, token=token, speed=speed, port=port)
    try:
        await server.start()
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be used ({error.strerror or error})",
            hint="choose another one, or 0 for any that is free",
        ) from None
    try:
        announce(server.url)
        await server.failed()
    finally:
        await server.stop()
