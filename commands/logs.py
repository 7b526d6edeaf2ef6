"""Log lines on stderr: one for an event of note, as text for a person or as JSON for a program.

    {"time": "2026-11-24T20:04:33.123456+00:00", "level": "warning", "logger": "homeiq.recorder.daemon", "message": "…"}

`exception` has a traceback, where there is one. What secrets there are in the settings never stands in a line, whoever
writes it: a server may send one back in its answer.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Literal, TextIO
from urllib.parse import quote, quote_plus

import orjson

from ..clock import SECOND, to_iso

__all__ = ["LogFormat", "clear_line", "hide", "log_options", "on_line", "set_up_logging", "without_secrets", "write"]

LogFormat = Literal["text", "json"]

_HIDDEN: Final = "(removed)"
_SHORTEST: Final = 8
"""A secret shorter than this may stand in a line by chance, and is none that anybody should use."""

_secrets: set[str] = set()
_chosen: list[LogFormat] = ["text"]
_on_line: list[Callable[[], None]] = []


def hide(secrets: Iterable[str]) -> None:
    """Let none of these texts stand in a log line from now on."""
    _secrets.update(secret for secret in secrets if len(secret) >= _SHORTEST)


def on_line(clear: Callable[[], None] | None) -> None:
    """Let `clear` take a line of progress off the terminal before another line is written; None: there is none now."""
    _on_line[:] = [] if clear is None else [clear]


def clear_line() -> None:
    """Take a line of progress off the terminal, if there is one."""
    for clear in _on_line:
        clear()


def log_options() -> list[str]:
    """Return the options by which another homeiq writes its log as this one does."""
    return [] if _chosen[0] == "text" else ["--log-format", _chosen[0]]


def set_up_logging(verbose: bool, form: LogFormat = "text") -> None:
    """Send our own log lines to stderr, and of the libraries only what is wrong."""
    _chosen[0] = form
    handler = _Stderr()
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a job that is not begun twice is in order
    logging.getLogger("homeiq").setLevel(logging.DEBUG if verbose else logging.INFO)
    if form == "json":
        logging.captureWarnings(True)
        sys.excepthook = _excepthook


def write(sentence: str, level: int = logging.INFO) -> None:
    """Say something on stderr: as it is, or as a line of the log where that is JSON."""
    clear_line()
    if _chosen[0] == "json":
        sentence = _json_line(time.time_ns() // 1000, level, "homeiq", sentence.removeprefix("homeiq: "))
    sys.stderr.write(f"{without_secrets(sentence)}\n")
    sys.stderr.flush()


class _Text(logging.Formatter):
    """The time in local time, and how bad it is where it is."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')} {prefix}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return without_secrets(text)


class _Json(logging.Formatter):
    """One JSON object a line; times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        at = round(record.created * SECOND)
        exception = self.formatException(record.exc_info) if record.exc_info else ""
        return without_secrets(_json_line(at, record.levelno, record.name, record.getMessage(), exception))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at the moment: while a live display runs, it prints above itself what is written there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        clear_line()
        super().emit(record)


def _json_line(at: int, level: int, name: str, message: str, exception: str = "") -> str:
    facts: dict[str, Any] = {
        "time": to_iso(at),
        "level": logging.getLevelName(level).lower(),
        "logger": name,
        "message": message,
    }
    if exception:
        facts["exception"] = exception
    try:
        return orjson.dumps(facts).decode()
    except TypeError:  # half a surrogate pair, in an entity's name say
        texts = {key: str(value).encode("utf-8", "replace").decode() for key, value in facts.items()}
        return orjson.dumps(texts).decode()


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("homeiq").critical("an error in homeiq itself", exc_info=(kind, error, trace))


def without_secrets(text: str) -> str:
    """Return a text in which "(removed)" stands for each secret of the settings."""
    for form in _forms():
        text = text.replace(form, _HIDDEN)
    return text


def _forms() -> Iterator[str]:
    """Yield each secret as it is, and as JSON and a URL write it; longer ones first, as one may be part of another."""
    for secret in sorted(_secrets, key=len, reverse=True):
        in_json = orjson.dumps(secret.encode("utf-8", "replace").decode()).decode()[1:-1]
        yield from dict.fromkeys((secret, in_json, quote(secret, safe=""), quote_plus(secret)))
