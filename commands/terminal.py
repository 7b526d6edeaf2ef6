"""What a person reads: progress and errors on stderr, results on stdout."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import orjson

from ..doctor.words import length as length_text
from ..errors import Stopped
from .logs import on_line, write

if TYPE_CHECKING:
    from rich.live import Live

__all__ = [
    "Display",
    "fail",
    "long_work",
    "print_json",
    "print_line",
    "progress_text",
    "say",
    "stop_on_signals",
    "until_unwanted",
]


_LINE_SECONDS = 10.0
_TERMINAL_SECONDS = 0.1
_LEAST_SHARE = 0.01
"""Before so much is done, nothing is said of the time that is left: it would be a guess."""


def progress_text(what: str, done: float, seconds: float, *, total: float = 0.0, share: float = 0.0, unit: str) -> str:
    """Return how far something is after so many seconds: how much of how much, how fast, and how long it takes still.

    `total` and `share` (0 … 1) are 0 where they are not known; `unit` MB: `done` and `total` are in bytes.
    """
    scale = 1e6 if unit == "MB" else 1.0
    share = min(1.0, done / total if total else share)
    amount = f"{done / scale:,.0f}" + (f"/{total / scale:,.0f}" if total else "")
    rate = done / scale / seconds
    text = f"{what} {amount} {unit}, {rate:,.{0 if rate >= 10 else 1}f}/s"
    if share > 0:
        text = f"{share:.0%} {text}"
    return f"{text}, {length_text(seconds / share - seconds)} left" if share >= _LEAST_SHARE else text


class Display:
    """Progress of long work on stderr: one line that changes on a terminal, else a line each 10 s. A context ends it."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._began = self._said = time.monotonic()
        self._live: Live | None = None

    @property
    def seconds(self) -> float:
        """How long the work has taken so far: more than 0."""
        return max(1e-6, time.monotonic() - self._began)

    def show(
        self, what: str, done: float, *, total: float = 0.0, share: float = 0.0, unit: str = "records", note: str = ""
    ) -> None:
        """Say how far it is, unless something was said a moment ago; see progress_text. `note` goes behind it."""
        now = time.monotonic()
        if now - self._said < (_TERMINAL_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._said = now
        text = progress_text(what, done, self.seconds, total=total, share=share, unit=unit)
        self._say(f"{text}; {note}" if note else text)

    def _say(self, text: str) -> None:
        if not self._terminal:
            say(text)
            return
        from rich.text import Text

        on_line(self.clear)
        if self._live is None:
            self._live = _line_on_terminal()
        self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def clear(self) -> None:
        """Take the line off the terminal; it comes again with the next progress."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()
        on_line(None)


def _line_on_terminal() -> Live:
    """Return a line of stderr that changes, and goes when it is stopped."""
    from rich.console import Console
    from rich.live import Live

    live = Live(
        console=Console(file=sys.stderr, highlight=False),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    return live


@contextmanager
def long_work(hint: str) -> Iterator[Display]:
    """Show progress; Ctrl-C and SIGTERM end the work where it is, as Stopped, whose hint says how it goes on."""
    with Display() as display, _interruptible():
        try:
            yield display
        except KeyboardInterrupt:
            raise Stopped("stopped before the end", hint=hint) from None


@contextmanager
def until_unwanted() -> Iterator[None]:
    """Let what goes on for ever end in order by Ctrl-C, by SIGTERM, and when nobody reads it any more."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # What Python has still in its buffer would be an error at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM do as Ctrl-C does, whatever either did before; who has started us to ignore Ctrl-C still has it so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [one for one in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(one) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_on_signals() -> threading.Event:
    """Return what SIGTERM and Ctrl-C set from now on: for work that must not be left in the middle of a step."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    numbers = {signal.SIGTERM, signal.SIGINT}
    for number in numbers:
        signal.signal(number, handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # a recorder starts its companions with them blocked
    return stop


def fail(sentence: str, code: int) -> NoReturn:
    """Say what went wrong, and end."""
    write(f"homeiq: {sentence}", logging.ERROR)
    raise SystemExit(code)


def say(sentence: str) -> None:
    """Say something to the person at the terminal that is not the result."""
    write(sentence)


def print_line(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_json(value: object) -> None:
    """Print the result as one line of JSON."""
    print_line(orjson.dumps(value).decode())
