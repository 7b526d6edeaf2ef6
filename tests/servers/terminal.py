"""A person at a terminal: a process behind a pseudo terminal, what it shows, and what is typed."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["Terminal"]


class Terminal:
    """Runs a command whose stdin, stdout and stderr are one terminal. `shown` is all that has been on it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._end, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=folder, start_new_session=True
        )
        os.close(theirs)
        self.shown = ""
        self._seen = 0

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._end)

    def expect(self, text: str, seconds: float = 60.0) -> None:
        """Wait until a text is shown behind what was expected before."""
        deadline = time.monotonic() + seconds
        while (found := self.shown.find(text, self._seen)) < 0:
            assert self._read(deadline - time.monotonic()), f"{text!r} is not shown, but:\n{self.shown[self._seen :]}"
        self._seen = found + len(text)

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and type an answer."""
        self.expect(question)
        os.write(self._end, f"{text}\n".encode())

    def ended(self, seconds: float = 60.0) -> int:
        """Wait for the end, and return the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        """Read what comes; false at the end, or if nothing comes in time."""
        ready, _, _ = select.select([self._end], [], [], max(0.0, seconds))
        try:
            piece = os.read(self._end, 65_536) if ready else b""
        except OSError:  # the last process behind it is gone
            piece = b""
        self.shown += piece.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(piece)
