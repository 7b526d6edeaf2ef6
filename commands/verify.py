"""`homeiq verify`: proves the log whole, or says where it is not."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from ..doctor.words import count as count_of
from ..storage.verify import Verification, verify
from .terminal import long_work, print_json, print_line, say

__all__ = ["verify_log"]


def verify_log(data_dir: Path, as_json: bool) -> None:
    """Print whether the log is whole; end with exit code 1 if it is not. Raises LogError."""
    began = time.monotonic()
    with long_work("nothing was changed; run it again") as display:
        found = verify(data_dir, lambda far: display.show("verified", far.records, total=far.total))
    seconds = time.monotonic() - began
    if as_json:
        print_json(asdict(found) | {"seconds": round(seconds, 3)})
    else:
        for finding in found.findings:
            print_line(": ".join(part for part in (finding.kind, finding.file, finding.message) if part))
        print_line(_verdict(found, seconds))
        if any(finding.kind in ("missing", "damaged") for finding in found.findings):
            say("homeiq mend makes it whole: --from SRC from a backup, else by what can still be read")
    if found.findings:
        raise SystemExit(1)


def _verdict(found: Verification, seconds: float) -> str:
    blanks = f" ({found.blanks:,} of them blank)" if found.blanks else ""
    what = (
        f"{found.records:,} records{blanks} read, {found.first_seq:,} to {found.last_seq:,}, in "
        f"{count_of(found.segments, 'segment')} and {count_of(found.tails, 'tail')}, {found.bytes / 1e6:,.1f} MB,"
        f" in {seconds:,.1f} s"
    )
    return f"{what}: {len(found.findings):,} findings" if found.findings else f"the log is whole: {what}"
