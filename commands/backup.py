"""`homeiq backup` and `homeiq restore`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ..errors import LogLocked
from ..storage.backup import back_up
from ..storage.files import LockHeld, locked
from ..storage.log import require_log
from ..storage.places import place_of
from ..storage.restore import restore as restore_log
from .terminal import Display, long_work, print_json, print_line, say

__all__ = ["backup", "restore"]

_AGAIN = "run it again: what is there already is not copied twice"


def backup(data_dir: Path, destination: str, *, check: bool, as_json: bool) -> None:
    """Bring the backup up to now; end with exit code 1 if anything was found damaged. Raises HomeiqError."""
    require_log(data_dir)
    place = place_of(destination)
    began = time.monotonic()
    try:
        with locked(data_dir / "BACKUP", "homeiq backup"), long_work(_AGAIN) as display:
            report = back_up(data_dir, place, check=check, watch=_progress("copied", display))
    except LockHeld as error:
        raise LogLocked("another backup is still running", hint=f"wait for it ({error.holder})") from None
    facts = asdict(report) | {"place": place.shown, "seconds": round(time.monotonic() - began, 3)}
    if as_json:
        print_json(facts)
    else:
        for sentence in (*report.findings, *report.kept):
            say(sentence)
        print_line(
            f"{place.shown} holds the log up to record {report.last_seq:,}: copied {report.copied:,} files "
            f"({report.copied_bytes / 1e6:,.1f} MB), removed {report.removed:,} superseded, {facts['seconds']:,.1f} s"
        )
    if report.findings:
        raise SystemExit(1)


def restore(source: str, data_dir: Path, as_json: bool) -> None:
    """Bring a log back; end with exit code 1 if not all of it came. Raises HomeiqError."""
    place = place_of(source)
    with long_work(_AGAIN) as display:
        report = restore_log(place, data_dir, watch=_progress("restored", display))
    if as_json:
        print_json(asdict(report) | {"place": place.shown, "data_dir": str(data_dir)})
    else:
        for sentence in report.findings:
            say(sentence)
        print_line(
            f"restored the log up to record {report.last_seq:,} into {data_dir}: "
            f"{report.files:,} files, {report.bytes / 1e6:,.1f} MB"
        )
    if report.findings:
        raise SystemExit(1)


def _progress(verb: str, display: Display) -> Callable[[int, int], None]:
    """Return what shows how many bytes are done, of how many."""
    return lambda done, total: display.show(verb, done, total=total, unit="MB")
