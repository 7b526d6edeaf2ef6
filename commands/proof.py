"""`homeiq replay --plan` and `homeiq audit`: what a replay would change, and whether anything is to be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from ..clock import to_iso
from ..doctor.words import count as count_of
from ..replayer.audit import Difference, Findings, audit, plan
from ..replayer.scope import Scope
from ..settings import Settings
from ..storage.log import require_log
from .terminal import Display, long_work, print_json, print_line

__all__ = ["example_text", "left_out_texts", "prove", "show_plan"]

_SHOWN_FIELDS = 6
_AGAIN = "nothing was changed; run it again, or compare less with --since"


def left_out_texts(left_out: Mapping[str, int]) -> list[str]:
    """Return what was left out of points, a sentence a reason."""
    return [
        f"{count_of(count, 'value')} {'was' if count == 1 else 'were'} left out of points: {reason}"
        for reason, count in sorted(left_out.items())
    ]


def show_plan(settings: Settings, scope: Scope, *, to: str = "", as_json: bool) -> None:
    """Print what a replay would change. Raises HomeiqError."""
    require_log(settings.data_dir)
    with long_work(_AGAIN) as display:
        findings = plan(settings, scope, to=to, watch=lambda so_far: _show(so_far, display))
    if as_json:
        print_json(_as_json(findings))
        return
    _print(findings)
    changes = sum(tally.new + tally.changed + tally.removed for tally in findings.tallies.values())
    if findings.frozen:
        print_line(
            f"{findings.frozen:,} windows are frozen, since records of theirs have expired or are lost, and stay"
        )
    print_line(f"a replay would change {changes:,} points in {findings.target}; nothing was written")


def prove(settings: Settings, scope: Scope, *, to: str = "", as_json: bool) -> None:
    """Print whether the target equals f(log); end with exit code 1 if it does not. Raises HomeiqError."""
    require_log(settings.data_dir)
    with long_work(_AGAIN) as display:
        findings = audit(settings, scope, to=to, watch=lambda so_far: _show(so_far, display))
    if as_json:
        print_json(_as_json(findings))
    else:
        _print(findings, only_differing=True)
        print_line(_verdict(findings))
    if findings.differs:
        raise SystemExit(1)


def _verdict(findings: Findings) -> str:
    unchanged = sum(tally.unchanged for tally in findings.tallies.values())
    differing = sum(tally.new + tally.changed + tally.removed for tally in findings.tallies.values())
    parts = [f"{unchanged:,} points of {findings.target} are as the log makes them"]
    if differing:
        parts.append(f"{differing:,} are not: homeiq replay repairs them")
    if findings.not_yet_projected:
        late = "" if findings.followed else ", and no follower runs"
        parts.append(f"not yet projected: {count_of(findings.not_yet_projected, 'record')}{late}")
    if findings.refused:
        parts.append(f"{findings.refused:,} were refused by the target (homeiq dead-letters)")
    if findings.frozen:
        parts.append(
            f"{findings.frozen:,} windows are frozen, since records of theirs have expired or are lost, and stay"
        )
    if findings.foreign:
        parts.append(f"{findings.foreign:,} points are not ours, and stay")
    return "; ".join([*parts, *findings.problems])


def _show(findings: Findings, display: Display) -> None:
    display.show("compared", findings.windows_done, total=findings.windows, unit="windows")


def _as_json(findings: Findings) -> dict[str, Any]:
    facts = asdict(findings)
    facts["tallies"] = [asdict(tally) | {"day": to_iso(tally.day)[:10]} for tally in _in_order(findings)]
    facts["differs"] = findings.differs
    return facts


def _in_order(findings: Findings) -> list[Any]:
    return [findings.tallies[key] for key in sorted(findings.tallies, key=lambda key: (key[1], key[0]))]


def _print(findings: Findings, *, only_differing: bool = False) -> None:
    tallies = [tally for tally in _in_order(findings) if tally.differs or not only_differing]
    if tallies:
        table = Table(show_edge=False, header_style="bold")
        table.add_column("day")
        table.add_column("measurement")
        for name in ("new", "changed", "removed", "unchanged"):
            table.add_column(name, justify="right")
        for tally in tallies:
            counts = (tally.new, tally.changed, tally.removed, tally.unchanged)
            table.add_row(to_iso(tally.day)[:10], tally.measurement, *(f"{count:,}" for count in counts))
        Console(highlight=False, markup=False).print(table)
    for example in findings.examples:
        print_line(example_text(example))


def example_text(one: Difference, most: int = _SHOWN_FIELDS) -> str:
    """Return one line: where, and at most so many of the fields that differ, before → after."""
    where = ",".join(f"{name}={value}" for name, value in one.tags.items() if value != "none")
    before, after = one.before or {}, one.after or {}
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    shown = "; ".join(f"{name}: {_said(before, name)} → {_said(after, name)}" for name in names[:most])
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return f"  {one.kind} {one.measurement} {to_iso(one.time // 1000)[:19]}Z {where}: {shown}{more}"


def _said(fields: Mapping[str, Any], name: str) -> str:
    return repr(fields[name]) if name in fields else "nothing"
