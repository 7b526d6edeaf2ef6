#!/usr/bin/env python3
"""Runs uv, and first fetches it where it is missing: `bootstrap.py sync --frozen` is `uv sync --frozen`.

A fresh Debian has python3, git and make, but neither uv nor always pip. So this file needs nothing beyond the standard
library of Python 3.9, and goes one way: a usable uv on PATH; else the one of an earlier run in the user's cache; else
uv's own wheel, fetched by pip. Its version and hashes are those of `uv.lock`, so that what builds the project is
pinned exactly like what runs in it, and pip refuses a wheel that is not the locked one.

Without arguments, prints the path of uv.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

__all__ = ["Locked", "find_uv", "main", "read_lock"]

LOCK = Path(__file__).resolve().parent.parent / "uv.lock"
OLDEST_USABLE = (0, 5)  # Before it, uv knew no dependency groups.
WHAT_TO_DO = "install uv, or pip (on Debian and Ubuntu: apt-get install python3-venv), and try again"


class CannotFetchError(Exception):
    """Why there is no uv; the message says what a person can do."""


class Locked:
    """The version of uv that `uv.lock` names, and the hash of each of its wheels."""

    def __init__(self, version: str, hashes: list[str]) -> None:
        """Hold what was read from the lock file."""
        self.version = version
        self.hashes = hashes

    def requirement(self) -> str:
        """Return the line of a requirements file that accepts these wheels and nothing else."""
        return " ".join([f"uv=={self.version}", *(f"--hash={value}" for value in self.hashes)]) + "\n"


def main(arguments: list[str]) -> int:
    """Become uv with these arguments; without any, print where uv is."""
    try:
        uv = find_uv()
    except CannotFetchError as error:
        sys.stderr.write(f"homeiq: there is no uv, and it could not be fetched: {error}\n")
        return 1
    if not arguments:
        sys.stdout.write(f"{uv}\n")
        return 0
    sys.stdout.flush()
    os.execv(uv, [uv, *arguments])


def find_uv() -> str:
    """Return the path of a uv that works, fetching it at the first need."""
    on_path = shutil.which("uv")
    if on_path and _version(on_path) >= OLDEST_USABLE:
        return on_path
    locked = read_lock(LOCK.read_text(encoding="utf-8"))
    cached = _cache() / f"uv-{locked.version}" / "uv"
    if not _version(str(cached)):
        _fetch(locked, cached)
    return str(cached)


def read_lock(text: str) -> Locked:
    """Find uv in the text of a lock file. By pattern, as Python 3.9 and 3.10 have no TOML."""
    package = re.search(
        r'^\[\[package\]\]\nname = "uv"\nversion = "([^"]+)"\n(.*?)(?=^\[\[package\]\]|\Z)', text, re.M | re.S
    )
    if not package:
        raise CannotFetchError(f"{LOCK.name} does not lock it; {WHAT_TO_DO}")
    wheels = package.group(2).partition("wheels = [")[2]
    return Locked(package.group(1), re.findall(r'hash = "(sha256:[0-9a-f]{64})"', wheels))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homeiq" / "tools"


def _version(uv: str) -> tuple[int, ...]:
    """Ask a uv for its version; empty when it does not run, as the shims of version managers may not."""
    try:
        told = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ()
    numbers = re.match(r"uv (\d+)\.(\d+)", told)
    return tuple(map(int, numbers.groups())) if numbers else ()


def _fetch(locked: Locked, target: Path) -> None:
    sys.stderr.write(f"homeiq: fetching uv {locked.version} into {target.parent}\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        wheel = _download(_pip(folder), locked, folder)
        binary = folder / "uv"
        with zipfile.ZipFile(wheel) as archive:
            inside = next(entry for entry in archive.namelist() if entry.endswith(".data/scripts/uv"))
            binary.write_bytes(archive.read(inside))
        binary.chmod(0o755)
        if not _version(str(binary)):
            raise CannotFetchError(f"its wheel holds no program for this machine; {WHAT_TO_DO}")
        binary.replace(target)  # In one step: two runs at once may not see half a file.


def _download(pip: list[str], locked: Locked, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(locked.requirement(), encoding="utf-8")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check"]
    command = [*pip, "download", *options, "--dest", str(folder), "--requirement", str(requirements)]
    if subprocess.run(command, check=False).returncode != 0:
        raise CannotFetchError(f"pip failed; {WHAT_TO_DO}")
    return next(folder.glob("uv-*.whl"))


def _pip(folder: Path) -> list[str]:
    """Return the command of a pip: this Python's own, or that of a throw-away virtual environment."""
    own = [sys.executable, "-m", "pip"]
    if _works([*own, "--version"]):
        return own
    venv = [sys.executable, "-m", "venv", str(folder / "venv")]
    if not _works(venv):  # Debian splits venv off; as root on a new machine there is nobody else to install it.
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise CannotFetchError(f"this Python has neither pip nor venv; {WHAT_TO_DO}")
        _install_venv()
        if not _works([*venv, "--clear"]):
            raise CannotFetchError(f"this Python can make no virtual environment; {WHAT_TO_DO}")
    return [str(folder / "venv" / "bin" / "python"), "-m", "pip"]


def _install_venv() -> None:
    sys.stderr.write("homeiq: installing python3-venv, as this Python has no pip\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "python3-venv"]):
        subprocess.run(["apt-get", "-qq", *command], check=False, env=environment, stdout=subprocess.DEVNULL)


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
