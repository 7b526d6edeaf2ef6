"""One server process: started, waited for, stopped or killed, and never left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import reaper

__all__ = ["ServerError", "ServerProcess"]

_POLL = 0.05


class ServerError(Exception):
    """A server did not start or did not answer as it should; the message ends with the end of its log."""


class ServerProcess:
    """Runs one command at a time, in a process group of its own, with its output appended to a file.

    A group of its own for two reasons: Ctrl-C reaches pytest only, whose fixtures then end the server; and a kill takes
    the server's children with it.
    """

    def __init__(self, name: str, log: Path) -> None:
        """Name the server for messages, and say where its output goes."""
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive now."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the running process."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    def start(
        self,
        command: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        within: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command, and return once `ready` says so.

        Raises:
            ServerError: the process ended, or was not ready in time and has been killed.
        """
        if self.running:
            raise ServerError(f"{self.name} is running already")
        self.end()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) if environment is not None else dict(os.environ),
                start_new_session=True,
            )
        reaper.watch(self._process.pid)
        try:
            self._wait_until(ready, within)
        except BaseException:  # Ctrl-C while waiting must not leave a server behind either.
            self.end()
            raise

    def stop(self, *, within: float) -> int:
        """Ask the process to end, and return its exit code.

        Raises:
            ServerError: it did not end in time and has been killed.
        """
        process = self._process
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            raise ServerError(f"{self.name} did not stop within {within:g} s; {self._tail()}") from None
        finally:
            self.end()

    def end(self) -> None:
        """Kill the process and all its children at once, as a power cut would. Does nothing if there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # The whole group has ended already.
        finally:
            process.wait()
            reaper.forget(process.pid)

    def _wait_until(self, ready: Callable[[], bool], within: float) -> None:
        deadline = time.monotonic() + within
        while not ready():
            if not self.running:
                raise ServerError(f"{self.name} ended while starting; {self._tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} was not ready within {within:g} s; {self._tail()}")
            time.sleep(_POLL)

    def _tail(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return f"the end of {self.log}:\n" + "\n".join(text.splitlines()[-20:])
