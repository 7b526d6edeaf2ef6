"""Ends the servers of a test run that could not end them itself.

Fixtures end what they started, also after Ctrl-C. When the run itself is killed, nobody is left to do so: then the
reaper sees its standard input close, and kills every process group that it was told of and not told to forget.
(A parent-death signal would not do: it fires when the starting *thread* ends.)
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading

__all__ = ["forget", "watch"]

_lock = threading.Lock()
_reaper: "subprocess.Popen[str] | None" = None


def watch(group: int) -> None:
    """Have this process group killed if the present process dies without `forget`."""
    _tell(f"+{group}")


def forget(group: int) -> None:
    """Say that this process group has ended, so that its number may be given to another."""
    _tell(f"-{group}")


def _tell(line: str) -> None:
    global _reaper  # noqa: PLW0603 - one reaper serves the whole process
    with _lock:
        if _reaper is None:
            _reaper = subprocess.Popen(
                [sys.executable, "-S", __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
            atexit.register(_close, _reaper)
        assert _reaper.stdin is not None
        _reaper.stdin.write(line + "\n")
        _reaper.stdin.flush()


def _close(reaper: "subprocess.Popen[str]") -> None:
    assert reaper.stdin is not None
    reaper.stdin.close()
    reaper.wait()


def _reap() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line[0] == "+" else groups.discard
        change(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    _reap()
