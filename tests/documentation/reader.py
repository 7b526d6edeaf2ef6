"""A reader who types what a page says, in a home folder of his own, and compares what he sees with what the page shows."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from .blocks import Block, Command

__all__ = ["ANOTHER", "Reader", "alike", "copied", "is_an_installation"]

ANOTHER = "prints something else"
"""What is wrong where it is not what a page shows."""

_INSTALLATIONS = re.compile(
    r"^(sudo )?(git clone|make (test|servers|lint|bench|docs)\b|python3 -m venv|pip install|pipx install|uv tool install"
    r"|apt(-get)? install|\S*/pip install|(~/\S*/)?homeiq init *(#|$))"
)
_FOR_EVER = re.compile(
    r"^(~/\S*/)?homeiq( --\S+ \S+)* (run|record|simulate|demo|tail|status .*--watch)\b(?!.*--seconds)"
)
_READY = {"run": ("listening on", "following the log"), "record": ("listening on",), "simulate": ("http://",)}
_INSTEAD = {"make demo": "homeiq demo --seconds 2"}  # as its recipe does, without setting up what is there already
_WAIT = 60.0

_PROGRESS = re.compile(r"\d s left$")  # said by what takes more than 10 s, where nobody looks on
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?=\D)"), "AT "),
    (
        re.compile(r"(\b[\d,]+(\.\d+)? ?(s|ms|min|h|d|kB|MB|GB|bytes|(events|points|records|rows)/s)(?=\W|$) ?)+"),
        "SO-MUCH ",
    ),
    (re.compile(r"\bhomeiq \d+\.\d+\.\d+"), "homeiq VERSION"),
    (re.compile(r"\bprocess \d+"), "process N"),
    (re.compile(r"\b[0-9a-f]{8,32}\b"), "HEX"),
    (re.compile(r"[━╇┃│┡┩┏┓└┘─┴┬┼ ]+"), " "),
)


def is_an_installation(command: str) -> bool:
    """Tell whether a command installs something, asks a person (`homeiq init`), or runs all tests: no test does it."""
    return _INSTALLATIONS.match(command) is not None


def alike(shown: list[str], seen: list[str]) -> bool:
    """Tell whether what a page shows is what was seen: but for times, durations and sizes; `…` stands for any lines."""
    wanted, found = _masked(shown), _masked(seen)
    at = 0
    while at < len(wanted) and wanted[at] != "…":
        if at >= len(found) or found[at] != wanted[at]:
            return False
        at += 1
    if at == len(wanted):
        return at == len(found)
    rest = shown_rest = wanted[at + 1 :]
    return any(alike(shown_rest, found[start:]) for start in range(at, len(found) - len(rest) + 1))


def _masked(lines: list[str]) -> list[str]:
    masked = []
    for line in lines:
        for pattern, word in _MASKS:
            line = pattern.sub(word, line)
        if line.strip() and not _PROGRESS.search(line):
            masked.append(line.strip())
    return masked


class Reader:
    """Runs commands one after the other, in one shell's variables and folder."""

    def __init__(
        self, folder: Path, places: Mapping[str, str], variables: Mapping[str, str], *, programs: Path | None = None
    ) -> None:
        """`places` says what stands here for a name or an address that a page gives; `programs` come first in PATH."""
        self.home = folder / "me"
        self.home.mkdir()
        self._folder = folder
        self._places = dict(places)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_", "XDG_", "AWS_", "PYTEST", "COLUMNS"))
        }
        self._installed = Path(sys.executable).parent
        path = ":".join(map(str, [*([programs] if programs else []), self._installed, os.environ["PATH"]]))
        own = {"HOME": str(self.home), "PATH": path, "TZ": "UTC", "COLUMNS": "100"}
        self._environment = inherited | own | {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"} | dict(variables)
        self._running: list[subprocess.Popen[bytes]] = []
        self._said: list[IO[bytes]] = []

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(_WAIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for said in self._said:
            said.close()

    def read(self, block: Block) -> list[tuple[Command, list[str], str]]:
        """Run a block; return each command with the lines that it printed, and what is wrong with it."""
        if block.file:
            path = self.home / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._here(block.content), encoding="utf-8")
            return []
        results = []
        for number, command in enumerate(block.commands):
            if is_an_installation(command.text):
                continue
            code = block.exit_code if number == len(block.commands) - 1 else 0
            lines, wrong = self._run(command.text, code)
            if not wrong and command.shown and not alike(command.shown, lines):
                wrong = ANOTHER
            results.append((command, lines, wrong))
        return results

    def _here(self, text: str) -> str:
        for name, place in self._places.items():
            text = text.replace(name, place)
        return text

    def _as_shown(self, text: str) -> list[str]:
        for name, place in self._places.items():
            if place:
                text = text.replace(place, name)
        text = text.replace(str(self.home), "/home/me")
        return [line.rstrip() for line in text.splitlines()]

    def _run(self, text: str, code: int) -> tuple[list[str], str]:
        for name, instead in _INSTEAD.items():
            text = instead if text.startswith(name) else text
        text = re.sub(r"^(\$ )?~/\S+/homeiq\b", "homeiq", self._here(text))
        forever = _FOR_EVER.match(text)
        if forever:
            return self._start(text, _READY.get(forever[3], ()))
        kept = self._folder / "variables"
        before = f'source {kept}; cd "$OLDPWD" 2>/dev/null; ' if kept.exists() else ""
        del before
        script = f'[ -f {kept} ] && . {kept}\n{text}\ncode=$?\nexport HERE="$PWD"; export -p > {kept}\nexit $code'
        result = subprocess.run(
            ["bash", "-c", script],
            cwd=self._here_folder(kept),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_WAIT * 3,
            check=False,
        )
        lines = self._as_shown(result.stdout.decode("utf-8", "replace"))
        wrong = "" if result.returncode == code else f"ends with {result.returncode}, not {code}"
        return lines, wrong or ("shows a traceback" if any("Traceback" in line for line in lines) else "")

    def _here_folder(self, kept: Path) -> Path:
        """Return the folder that a `cd` of before has gone to."""
        found = re.search(r'^declare -x HERE="(.*)"$', kept.read_text(), re.MULTILINE) if kept.exists() else None
        return Path(found[1]) if found else self.home

    def _start(self, text: str, ready: tuple[str, ...]) -> tuple[list[str], str]:
        """Start what goes on until it is ended, and wait until it says that it is at work."""
        kept = self._folder / "variables"
        said: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - open as long as the process
        self._said.append(said)
        process = subprocess.Popen(
            ["bash", "-c", f"[ -f {kept} ] && . {kept}\nexec {self._installed}/{text.strip()}"],
            cwd=self._here_folder(kept),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        self._running.append(process)
        deadline = time.monotonic() + _WAIT
        while True:
            said.seek(0)
            text = said.read().decode("utf-8", "replace")
            if all(word in text for word in ready) and text:
                return self._as_shown(text), ""
            if process.poll() is not None or time.monotonic() > deadline:
                return self._as_shown(text), "does not say that it is at work"
            time.sleep(0.05)


def copied(source: Path, folder: Path) -> None:
    """Copy a data folder; files that never change are linked."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
    for path in source.rglob("*"):
        target = folder / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".parquet":
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
