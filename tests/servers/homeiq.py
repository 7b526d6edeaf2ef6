"""homeiq itself as a process, as a user starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import provoked

__all__ = ["Homeiq", "wait_for"]


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until a condition holds, and return what it gave; fails with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


class Homeiq:
    """Commands on one data folder, with settings from the environment alone."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Settings are given by the names of their environment variables."""
        self.data_dir = folder / "data"
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_", "XDG_"))
        }
        here = {"HOME": str(folder), "HOMEIQ_DATA_DIR": str(self.data_dir), "HOMEIQ_HTTP__PORT": "0"}
        self.environment = inherited | here | settings

    def __enter__(self) -> "Homeiq":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        provoked.heard(self.said())
        if error is not None:
            sys.stderr.write(self.said())

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on; what it says is in `said`."""
        with (self.folder / "said.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "homeiq", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self._processes.append(process)
        return process

    def run(
        self, *arguments: str, check: bool = True, seconds: float = 240, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, for so many seconds at most."""
        result = subprocess.run(
            [sys.executable, "-m", "homeiq", *arguments],
            env=self.environment | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.folder,
            timeout=seconds,
            check=False,
        )
        said = subprocess.CompletedProcess(
            result.args, result.returncode, result.stdout.decode("utf-8", "surrogateescape"), result.stderr.decode()
        )
        provoked.heard(said.stderr)
        assert not check or result.returncode == 0, said.stderr
        assert "Traceback" not in said.stderr, said.stderr
        return said

    def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM, seconds: float = 60.0) -> int:
        """End a command in order, and return its exit code."""
        process.send_signal(number)
        return process.wait(seconds)

    def said(self) -> str:
        """Return what the started commands have said."""
        path = self.folder / "said.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def ask(self, what: str) -> dict[str, Any] | None:
        """Ask the recorder on its control socket; None if none answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.data_dir / "control.sock"))
                connection.sendall(json.dumps({"do": what}).encode() + b"\n")
                line = connection.makefile("rb").readline()
                return json.loads(line) if line else None
            except OSError:
                return None

    def url(self) -> str:
        """Return where the recorder listens for HTTP, waiting until it does."""
        return str(wait_for("HTTP", lambda: (self.ask("status") or {}).get("http", {}).get("url"), 120))

    def connected(self) -> bool:
        """Tell whether the recorder says that it hears Home Assistant."""
        status = self.ask("status")
        return bool(status and status["sources"] and status["sources"][0]["connected"])

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        return json.loads(self.run("sql", "--json", query).stdout)  # type: ignore[no-any-return]
