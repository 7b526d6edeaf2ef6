"""What a service manager is told: recording has begun, goes on, ends. systemd's notification protocol, sd_notify(3).

Without NOTIFY_SOCKET in the environment nobody is told. docs/service.md says what the watchdog watches.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["ServiceManager", "TICK_SECONDS"]

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 10.0
"""So often the status line is renewed, and the watchdog answered, if it does not want to hear it sooner."""

_LONGEST_STATUS: Final = 500


class ServiceManager:
    """Whoever started this process and listens on the socket NOTIFY_SOCKET. Telling it never blocks and never raises."""

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        """`address` is a path, or @NAME in the abstract namespace; `watchdog_seconds`: so long it waits to hear of us."""
        self.tick_seconds = min(TICK_SECONDS, watchdog_seconds / 2) if watchdog_seconds else TICK_SECONDS
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watches = watchdog_seconds is not None
        self._failed = False

    @classmethod
    def of(cls, environ: Mapping[str, str], process_id: int) -> ServiceManager:
        """Return the one that the environment names. A watchdog that is meant for another process is not ours."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        microseconds, watched = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        ours = microseconds.isdigit() and int(microseconds) > 0 and watched in ("", str(process_id))
        return cls(address, int(microseconds) / 1e6 if ours else None)

    @property
    def listens(self) -> bool:
        """There is one."""
        return bool(self._address)

    def tell(self, *facts: str) -> None:
        """Tell it facts such as READY=1, all in one message."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            try:
                channel.sendto("\n".join(facts).encode(), self._address)
            except OSError as error:
                if not self._failed:
                    _log.warning("the service manager cannot be told how it is (%s)", error.strerror)
                self._failed = True

    async def keep_telling(self, lives: Callable[[], bool], status: Callable[[], str]) -> None:
        """Tell it again and again that we live, as long as `lives` says so, and what `status` says; until cancelled.

        It runs in the loop that everything else runs in: where that stands still, nothing is told.
        """
        if not self.listens:
            return
        while True:
            facts = [f"STATUS={' '.join(status().split())[:_LONGEST_STATUS]}"]
            if self._watches and lives():
                facts.append("WATCHDOG=1")
            self.tell(*facts)
            await asyncio.sleep(self.tick_seconds)
