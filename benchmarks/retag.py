"""A normalizer that changes in each way, over a log of some size: was what was foretold what changed in InfluxDB 1.8?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from homeiq.replayer.audit import audit, plan
from homeiq.replayer.normalizers import registry
from homeiq.replayer.replay import replay
from homeiq.replayer.scope import Scope
from homeiq.settings import InfluxDBSettings, Settings

from end_to_end.conftest import Server
from end_to_end.logs import days, write_log
from end_to_end.test_retag import account, differences, foreign, foretold, write_foreign
from replayer.retagging import HOW, another
from servers import influxdb as influx
from servers.influxdb import InfluxDBServer

__all__ = ["retag"]

_PER_DAY = 20_000


def retag(folder: Path, events: int) -> dict[str, Any]:
    """Return for each way how many points were new, changed, removed, and the seconds of plan, replay and audit."""
    if not influx.INSTALLATION.complete:
        return {"retag": "not installed: make servers"}
    log = folder / "log"
    log.mkdir(parents=True)
    count = write_log(log, days(max(1, events // _PER_DAY), min(events, _PER_DAY)))
    server = InfluxDBServer(folder / "influxdb")
    server.start()
    results: dict[str, Any] = {"retag_events": events}
    try:
        for number, how in enumerate(HOW):
            name = server.create_database(f"retag{number}")
            target = InfluxDBSettings(url=server.url, token="any", bucket=name)
            settings = Settings(data_dir=log, influxdb=target)
            one = Server(
                target, lambda name=name: server.read_back(name), lambda lines, name=name: server.write(name, lines)
            )
            results[f"retag {how}"] = _changed(how, one, settings, count)
            server.drop(name)
    finally:
        server.kill()
    return results


def _changed(how: str, server: Server, settings: Settings, count: int) -> str:
    replay(settings)
    write_foreign(server)
    before = server.content()
    known = registry.normalizer_classes
    classes = {**known(), "home_assistant": another(how, moved="sensor.s1,", dropped="climate.")}
    registry.normalizer_classes = lambda: classes
    try:
        began = time.monotonic()
        said = foretold(plan(settings, Scope(stale=True)))
        planned = time.monotonic()
        replay(settings, Scope(stale=True))
        replayed = time.monotonic()
        after = server.content()
        assert said == differences(before, after), (said, differences(before, after))
        assert foreign(after) == foreign(before)
        account(settings, count)
        again = time.monotonic()
        assert not audit(settings, Scope()).differs
        audited = time.monotonic() - again
    finally:
        registry.normalizer_classes = known
    points = ", ".join(f"{number:,} {kind}" for kind, number in said.items())
    return f"{points}; plan {planned - began:.0f} s, replay {replayed - planned:.0f} s, audit {audited:.0f} s"
