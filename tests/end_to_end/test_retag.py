"""Two full read-backs, before and after a normalizer has changed, differ by exactly what `--plan` foretold."""

from pathlib import Path

import pytest
from homeiq.replayer.audit import Findings, audit, plan
from homeiq.replayer.normalizers.registry import normalizer_classes
from homeiq.replayer.replay import replay
from homeiq.replayer.scope import Scope
from homeiq.settings import Settings

from end_to_end.conftest import Server
from end_to_end.logs import days, write_log
from end_to_end.recorders import account
from replayer.retagging import HOW, another
from servers.influxdb import Content

EVENTS = 5_000


def ours(content: Content) -> Content:
    return {key: fields for key, fields in content.items() if "origin" in fields}


def foreign(content: Content) -> Content:
    return {key: fields for key, fields in content.items() if "origin" not in fields}


def write_foreign(server: Server) -> None:
    """Another process writes its own measurement, and its own points into ours, at the times of ours."""
    times = sorted({time for (_, tags, time) in server.content() if ("entity_id", "climate.c0") in tags})[:50]
    assert len(times) == 50
    lines = [f"others,host=a value=1 {time}" for time in times]
    lines += [f"home_assistant_events,entity_id=climate.c0,host=a value=1 {time}" for time in times]
    assert server.write("\n".join(lines)).status == 204


def foretold(findings: Findings) -> dict[str, int]:
    kinds = ("new", "changed", "removed", "unchanged")
    return {kind: sum(getattr(tally, kind) for tally in findings.tallies.values()) for kind in kinds}


def differences(before: Content, after: Content) -> dict[str, int]:
    """Return what differs between the points of ours in two read-backs."""
    old, new = ours(before), ours(after)
    both = old.keys() & new.keys()
    return {
        "new": len(new.keys() - old.keys()),
        "changed": sum(old[key] != new[key] for key in both),
        "removed": len(old.keys() - new.keys()),
        "unchanged": sum(old[key] == new[key] for key in both),
    }


@pytest.mark.parametrize("how", HOW)
def test_what_a_plan_foretells_is_what_a_replay_changes(
    how: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A normalizer retags, renames, moves, drops; others' points, at the same times in the same measurement, stay."""
    count = write_log(tmp_path, days(2, EVENTS // 2))
    settings = Settings(data_dir=tmp_path, influxdb=server.settings)
    replay(settings)
    write_foreign(server)
    before = server.content()
    assert len(ours(before)) >= EVENTS
    classes = {**normalizer_classes(), "home_assistant": another(how, moved="sensor.s1,", dropped="climate.")}
    monkeypatch.setattr("homeiq.replayer.normalizers.registry.normalizer_classes", lambda: classes)
    said = foretold(plan(settings, Scope(stale=True)))
    assert server.content() == before, "a plan writes nothing"
    replay(settings, Scope(stale=True))
    after = server.content()
    assert said == differences(before, after)
    assert said["new"] + said["changed"] + said["removed"] > 0
    assert foreign(after) == foreign(before)
    assert len(foreign(before)) == 100
    account(settings, count)
    found = audit(settings, Scope())
    assert not found.differs
    assert found.foreign == 50
