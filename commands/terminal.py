"""What a person reads: log lines and errors on stderr, results on stdout."""

from __future__ import annotations

import logging
import sys
import time
from typing import NoReturn, TextIO

import orjson

__all__ = ["Display", "fail", "print_json", "print_line", "set_up_logging", "say"]


_LINE_SECONDS = 10.0
_TERMINAL_SECONDS = 0.1


class Display:
    """Progress of long work on stderr: one line that changes on a terminal, else a line each 10 s. A context ends it."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._began = self._said = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the work has taken so far: more than 0."""
        return max(1e-6, time.monotonic() - self._began)

    def show(self, what: str, share: float) -> None:
        """Say how far it is; `share` is 0 … 1, 0 where that is not known."""
        seconds = self.seconds
        self.line(f"{share:.0%}, {what}, {seconds / share - seconds:,.0f} s left" if share > 0.01 else what)

    def line(self, text: str) -> None:
        """Say it, unless something was said a moment ago."""
        now = time.monotonic()
        if now - self._said < (_TERMINAL_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._said = now
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{text[:79]}")
            sys.stderr.flush()
        else:
            say(text)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()


class _Format(logging.Formatter):
    """One line for an event of note: the time in local time, and how bad it is where it is."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')} {prefix}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at the moment: while a live display runs, it prints above itself what is written there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def set_up_logging(verbose: bool) -> None:
    """Send our own log lines to stderr, and of the libraries only what is wrong."""
    handler = _Stderr()
    handler.setFormatter(_Format())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a job that is not begun twice is in order
    logging.getLogger("homeiq").setLevel(logging.DEBUG if verbose else logging.INFO)


def fail(sentence: str, code: int) -> NoReturn:
    """Say what went wrong, and end."""
    sys.stderr.write(f"homeiq: {sentence}\n")
    raise SystemExit(code)


def say(sentence: str) -> None:
    """Say something to the person at the terminal that is not the result."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def print_line(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_json(value: object) -> None:
    """Print the result as one line of JSON."""
    print_line(orjson.dumps(value).decode())
