"""The configuration: each setting and where its value came from, what is missing, and what has no effect yet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..clock import from_iso
from ..errors import SettingsError
from ..settings import find_config
from .case import Case
from .finding import Finding, Result, Section, Table
from .provenance import all_settings

__all__ = ["broken", "check"]

_LONGEST: Final = 60


def check(case: Case) -> Result:
    """Show all settings."""
    file = case.config or find_config()
    shown = all_settings(case.settings, case.config, case.data_dir_given)
    findings = [
        Finding(
            "settings-read", "good", f"the settings were read{f' from {file}' if file else ', from the environment'}"
        )
    ]
    if wrong := case.settings.http.wrong():
        findings.append(Finding("http-open", "wrong", wrong, ("export HOMEIQ_HTTP__TOKEN=$(openssl rand -hex 24)",)))
    findings += _not_in_effect(case, file)
    rows = tuple(
        (one.name, one.value if len(one.value) <= _LONGEST else f"{one.value[:_LONGEST]}…", one.place) for one in shown
    )
    missing = _missing(case)
    lines = [("file", str(file) if file else "none: settings come from the environment")]
    lines += [("missing", one) for one in missing]
    facts = {
        "file": str(file) if file else None,
        "settings": [{"name": one.name, "value": one.value, "from": one.place} for one in shown],
        "missing": missing,
    }
    table = Table("Settings", ("setting", "value", "from"), rows)
    return Result(tuple(findings), (Section("configuration", "Configuration", tuple(lines), (table,), facts),))


def _missing(case: Case) -> list[str]:
    """Return in words what is not set, and would be for a home that is recorded and shown."""
    missing = [case.settings.home_assistant.missing()]
    if not any(settings.kind == "influxdb" for settings in case.settings.all_targets().values()):
        missing.append("influxdb.url is not set: points stay in this folder, for homeiq sql")
    recorder = case.recorder() or {}
    missing += [source["reason"] for source in recorder.get("sources", ()) if not source.get("configured", True)]
    return [one for one in missing if one]


def _not_in_effect(case: Case, file: Path | None) -> list[Finding]:
    """Say that the file was changed after the recorder had read it."""
    started = (case.recorder() or {}).get("started_at")
    if not started or file is None:
        return []
    try:
        changed = file.stat().st_mtime_ns // 1000
    except OSError:
        return []
    if changed <= from_iso(started):
        return []
    words = f"{file} was changed after the recorder started, which has not read it since"
    return [Finding("settings-not-in-effect", "attention", words, ("# stop homeiq, and start it again:", "homeiq run"))]


def broken(error: SettingsError, config: Path | None) -> Finding:
    """Return the finding for settings that can't be read; it names the setting."""
    file = config or find_config()
    return Finding(
        "settings-wrong", "wrong", str(error), (f"${{EDITOR:-nano}} {file}",) if file else ("env | grep HOMEIQ",)
    )
