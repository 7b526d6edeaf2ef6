"""`homeiq status --watch`: a live screen on a terminal, else a line every ten seconds."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live as Screen
from rich.text import Text

from ..clock import SystemClock, to_iso
from ..storage.log import require_log
from .live import Heavy, Live, View
from .status_screen import Line, screen_lines, summary_line
from .terminal import print_json, print_line, until_unwanted

__all__ = ["watch"]

_SECONDS: Final = 1.0
_LINE_SECONDS: Final = 10.0
_STYLES: Final = {"good": "green", "bad": "bold red", "dim": "dim", "": ""}


def watch(data_dir: Path, config: Path | None, *, as_json: bool) -> None:
    """Show how it goes until q or Ctrl-C, SIGTERM, or until nobody reads any more. Raises LogError."""
    require_log(data_dir)
    clock = SystemClock()
    heavy = Heavy(_command(data_dir, config), clock)
    live = Live(data_dir, heavy, clock)
    with until_unwanted(), closing(heavy):
        if sys.stdout.isatty() and not as_json:
            _on_screen(live)
        else:
            _in_lines(live, as_json)


def _command(data_dir: Path, config: Path | None) -> Sequence[str]:
    command = [sys.executable, "-m", "homeiq", "--log-format", "text", "--data-dir", str(data_dir)]
    return [*command, *([] if config is None else ["--config", str(config)]), "status", "--json"]


def _on_screen(live: Live) -> None:
    console = Console()
    with _Keys() as keys, Screen(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as screen:
        while True:
            screen.update(_drawn(live.view(), console), refresh=True)
            if keys.quit_within(_SECONDS):
                return


def _drawn(view: View, console: Console) -> Group:
    lines = list(screen_lines(view, None))
    if len(lines) > console.height:
        left = len(lines) - console.height + 1
        lines = [*lines[: console.height - 1], Line(f"… and {left} more lines: make the window higher", "dim")]
    return Group(*(Text(line.text, _STYLES[line.mood], no_wrap=True, overflow="ellipsis") for line in lines))


def _in_lines(live: Live, as_json: bool) -> None:
    live.view()
    time.sleep(_SECONDS)  # two looks make a rate
    while True:
        view = live.view()
        if as_json:
            print_json(_as_json(view))
        else:
            print_line(f"{to_iso(view.now)[:19]}Z {summary_line(view)}")
        until = time.monotonic() + _LINE_SECONDS
        while time.monotonic() < until:
            time.sleep(_SECONDS)
            live.view()


def _as_json(view: View) -> dict[str, Any]:
    return {
        "at": to_iso(view.now),
        "recorder": view.recorder,
        "events_per_second": view.rate,
        "targets": [
            {"title": one.title, "projected_to": one.position, "records_per_second": one.rate, "stale": one.stale}
            for one in view.targets
        ],
        "status": view.heavy,
        "status_age_seconds": view.heavy_age,
    }


class _Keys:
    """The keyboard, read key by key, unseen; the terminal is as before when the context ends."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._open = True

    def __enter__(self) -> _Keys:
        with suppress(termios.error, ValueError, OSError):  # no terminal: then nobody types
            if sys.stdin.isatty():
                self._before = termios.tcgetattr(sys.stdin)
                tty.setcbreak(sys.stdin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def quit_within(self, seconds: float) -> bool:
        """Wait so long, and tell whether q was pressed."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._before is None or not self._open:
                time.sleep(left)
            elif select.select([sys.stdin], [], [], left)[0]:
                typed = os.read(sys.stdin.fileno(), 64)
                self._open = bool(typed)
                if b"q" in typed.lower():
                    return True
        return False
