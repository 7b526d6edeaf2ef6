"""`homeiq verify`: proves the log whole, or says where it is not."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from ..storage.verify import Verification, verify
from .terminal import Display, print_json, print_line

__all__ = ["verify_log"]


def verify_log(data_dir: Path, as_json: bool) -> None:
    """Print whether the log is whole; end with exit code 1 if it is not. Raises LogError."""
    began = time.monotonic()
    with Display() as display:
        found = verify(data_dir, lambda so_far: display.line(_progress(so_far, display.seconds)))
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


def _progress(found: Verification, seconds: float) -> str:
    rate = found.records / seconds
    left = max(0, found.total - found.records) / rate if rate else 0.0
    return f"verified {found.records:,}/{found.total:,} records, {rate:,.0f}/s, {left:,.0f} s left"
