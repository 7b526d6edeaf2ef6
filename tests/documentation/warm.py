"""homeiq kept warm: a process that has imported all of it, and becomes one command after the other.

A page has many commands, and starting Python for each takes longer than most of them do. `homeiq` in the reader's PATH is
then a small script that hands its arguments, variables, folder and open files to this process, which forks.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType

__all__ = ["Warm"]

_SCRIPT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({path!r})
    asked = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(connection, [len(asked).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(asked)
    sys.exit((connection.recv(1) or b"\\x01")[0])
"""


class Warm:
    """The process, and the folder with the script; a context ends it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "warm.sock"
        self.programs = folder / "bin"
        self.programs.mkdir()
        script = self.programs / "homeiq"
        script.write_text(_SCRIPT.format(python=sys.executable, path=str(path)))
        script.chmod(0o755)
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        self._process = subprocess.Popen([sys.executable, "-m", "documentation.warm", str(path)], env=environment)
        deadline = time.monotonic() + 60
        while not path.exists():
            assert self._process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it does not begin"
            time.sleep(0.02)

    def __enter__(self) -> Warm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def _serve(path: str) -> None:
    from homeiq import commands, replayer, storage
    from homeiq.cli import main

    for package in (commands, storage, replayer):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in ("duckdb", "pyarrow.parquet", "influxdb_client", "homeiq.replayer.targets.influxdb"):
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen(16)
        os.rename(f"{path}.new", path)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them but the scripts
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _become(connection, main)
            connection.close()


def _become(connection: socket.socket, main: object) -> None:
    """Be the command that is asked for, and say how it ended."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        length, files, _, _ = socket.recv_fds(connection, 8, 3)
        with connection.makefile("rb") as stream:
            arguments, environment, folder = json.loads(stream.read(int.from_bytes(length, "big")))
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        time.tzset()
        sys.argv = ["homeiq", *arguments]
        assert callable(main)
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
        connection.sendall(bytes([code & 255]))
        os._exit(code & 255)


if __name__ == "__main__":
    _serve(sys.argv[1])
