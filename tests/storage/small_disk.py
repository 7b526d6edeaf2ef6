"""A disk that is full: a small tmpfs in a namespace of its own, in which a script runs as a child process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["on_a_small_disk"]

_MOUNT = 'mount -t tmpfs -o size="$1" homeiq "$2" && exec "$3" "$4" "$2"'


def on_a_small_disk(folder: Path, script: str, megabytes: int) -> str:
    """Run a script, whose only argument is the folder that is so small a disk; return what it printed.

    Skips where nobody may mount anything; where `CI` is set that fails.
    """
    disk = folder / "disk"
    disk.mkdir()
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "homeiq", str(disk)], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        message = f"a small disk cannot be mounted here: {tried.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    (folder / "script.py").write_text(script)
    command = ["unshare", "-rm", "sh", "-c", _MOUNT, "sh", f"{megabytes}m", str(disk), sys.executable]
    done = subprocess.run(
        [*command, str(folder / "script.py")], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
