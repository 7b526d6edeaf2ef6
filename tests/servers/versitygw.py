"""A real S3 server on the loopback address: Versity's gateway, with a folder as its store."""

import os
from pathlib import Path

from .cache import Installation
from .ports import free_port
from .process import ServerProcess
from .web import request

__all__ = ["INSTALLATION", "S3Server", "VERSION"]

VERSION = "1.8.0"
INSTALLATION = Installation(
    name=f"versitygw-{VERSION}",
    recipe={"module": f"github.com/versity/versitygw/cmd/versitygw@v{VERSION}"},
    program="versitygw",
)

_KEY, _SECRET = "homeiq-tests", "correct-horse-battery"
_START, _STOP = 30.0, 15.0


class S3Server:
    """An S3 server that can be stopped and started again with the same store and port.

    Attributes:
        endpoint: host and port.
        store: the folder that holds a folder for each bucket, and in it a file for each object.
        key, secret: the credentials that it accepts.
    """

    def __init__(self, folder: Path) -> None:
        """Take an empty folder, and a port."""
        self.folder = folder
        self.store = folder / "store"
        self.endpoint = f"127.0.0.1:{free_port()}"
        self.key, self.secret = _KEY, _SECRET
        self._process = ServerProcess("versitygw", folder / "versitygw.log")

    def start(self) -> None:
        """Start, and return once it answers."""
        self.store.mkdir(parents=True, exist_ok=True)
        sidecar = self.folder / "sidecar"  # Not every file system has the extended attributes that it would use.
        sidecar.mkdir(exist_ok=True)
        command: list[str | Path] = [INSTALLATION.path, "--port", self.endpoint, "--region", "us-east-1"]
        command += ["--access", self.key, "--secret", self.secret, "--quiet", "posix", "--sidecar", sidecar, self.store]
        self._process.start(command, ready=self._answers, within=_START, environment=dict(os.environ))

    def stop(self) -> None:
        """End it in good order."""
        self._process.stop(within=_STOP)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.end()

    def create_bucket(self, name: str) -> str:
        """Make an empty bucket, and return its name."""
        (self.store / name).mkdir()
        return name

    def url(self, path: str) -> str:
        """Return the URL of a bucket and a prefix, as pyarrow's file systems understand it."""
        return f"s3://{path}?scheme=http&endpoint_override={self.endpoint}&region=us-east-1"

    def _answers(self) -> bool:
        return 0 < request("GET", f"http://{self.endpoint}/").status < 500
