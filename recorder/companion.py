"""A second process beside the recorder, started again whenever it ends. The recorder never waits for it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping, Sequence

from ..clock import full_jitter

__all__ = ["Companion"]

_log = logging.getLogger(__name__)

_CAP_SECONDS = 30.0
_STABLE_SECONDS = 60.0


class Companion:
    """Keeps one command running. It has a process group of its own, so that Ctrl-C reaches the recorder alone."""

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        environment: Mapping[str, str] | None = None,
        *,
        unblocks: bool = False,
    ) -> None:
        """`environment` is the command's, by default this process's own.

        `unblocks`: it is started with SIGTERM and SIGINT blocked, and unblocks them once it can handle them, so that
        being asked to end while it still starts does not kill it.
        """
        self._blocked = {signal.SIGTERM, signal.SIGINT} if unblocks else set()
        self._command = command
        self._environment = environment
        self._name = name
        self._child: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()

    @property
    def process_id(self) -> int | None:
        """The process that runs now, if one does."""
        return self._child.pid if self._child and self._child.returncode is None else None

    async def run(self) -> None:
        """Keep it running until `end`."""
        attempt = 0
        while not self._ending.is_set():
            started = asyncio.get_running_loop().time()
            before = signal.pthread_sigmask(signal.SIG_BLOCK, self._blocked)
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.DEVNULL, env=self._environment, start_new_session=True
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            code = await self._child.wait()
            if self._ending.is_set():
                return
            attempt = 0 if asyncio.get_running_loop().time() - started > _STABLE_SECONDS else attempt + 1
            delay = full_jitter(attempt, base=0.5, cap=_CAP_SECONDS)
            _log.warning("%s ended with code %s and is started again in %.1f s", self._name, code, delay)
            await asyncio.sleep(delay)

    async def end(self, grace_seconds: float) -> None:
        """Ask it to finish what is there; after `grace_seconds` it is killed."""
        self._ending.set()
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await child.wait()
        except TimeoutError:
            _log.warning(
                "%s did not finish within %.0f s; it goes on there at the next start", self._name, grace_seconds
            )
            child.kill()
            await child.wait()
