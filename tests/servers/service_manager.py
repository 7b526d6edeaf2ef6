"""A service manager's end of the notification socket: what systemd would hear."""

import socket
import time
from pathlib import Path
from types import TracebackType

__all__ = ["NotifySocket"]


class NotifySocket:
    """Listens at a path, or at a name in the abstract namespace."""

    def __init__(self, address: Path | str) -> None:
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)

    def __enter__(self) -> "NotifySocket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def next(self, seconds: float = 60.0) -> list[str]:
        """Return the facts of the next message; raises TimeoutError if none comes in time."""
        self._socket.settimeout(seconds)
        return self._socket.recv(4096).decode().split("\n")

    def until(self, fact: str, seconds: float = 60.0) -> list[list[str]]:
        """Return all messages up to the first one with this fact, which must come in time."""
        deadline = time.monotonic() + seconds
        heard: list[list[str]] = []
        while not heard or fact not in heard[-1]:
            left = deadline - time.monotonic()
            assert left > 0, f"{fact} did not come, but {heard}"
            heard.append(self.next(left))
        return heard

    def drain(self) -> list[list[str]]:
        """Return what has come already."""
        self._socket.setblocking(False)
        heard = []
        try:
            while True:
                heard.append(self._socket.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return heard
