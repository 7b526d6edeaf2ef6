"""`homeiq verify`: proves the log whole, or says where it is not."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path

from ..storage.verify import Verification, verify
from .terminal import print_json, print_line, say

__all__ = ["verify_log"]

_LINE_SECONDS = 10.0


def verify_log(data_dir: Path, as_json: bool) -> None:
    """Print whether the log is whole; end with exit code 1 if it is not. Raises LogError."""
    began = time.monotonic()
    watch = _Watch()
    found = verify(data_dir, watch.show)
    watch.end()
    seconds = time.monotonic() - began
    if as_json:
        print_json(asdict(found) | {"seconds": round(seconds, 3)})
    else:
        for finding in found.findings:
            print_line(": ".join(part for part in (finding.kind, finding.file, finding.message) if part))
        print_line(_verdict(found, seconds))
    if found.findings:
        raise SystemExit(1)


def _verdict(found: Verification, seconds: float) -> str:
    blanks = f" ({found.blanks:,} of them blank)" if found.blanks else ""
    what = (
        f"{found.records:,} records{blanks} read, {found.first_seq:,} to {found.last_seq:,}, in "
        f"{found.segments:,} segments and {found.tails:,} tails, {found.bytes / 1e6:,.1f} MB, in {seconds:,.1f} s"
    )
    return f"{what}: {len(found.findings):,} findings" if found.findings else f"the log is whole: {what}"


class _Watch:
    """Progress on stderr: a line that is written over on a terminal, else a line every 10 s."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def show(self, found: Verification) -> None:
        now = time.monotonic()
        if now - self._said < (0.5 if self._terminal else _LINE_SECONDS):
            return
        self._said = now
        rate = found.records / (now - self._began)
        left = max(0, found.total - found.records) / rate if rate else 0.0
        text = f"verified {found.records:,}/{found.total:,} records, {rate:,.0f}/s, {left:,.0f} s left"
        if self._terminal:
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()
        else:
            say(text)

    def end(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
