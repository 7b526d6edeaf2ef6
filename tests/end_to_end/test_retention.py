"""Records expire and are forgotten while a recorder records; what it hears meanwhile is all there."""

import json
from pathlib import Path

import pytest
from homeiq.clock import DAY, SystemClock, to_iso
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal

from servers.homeiq import Homeiq, wait_for
from storage.disks import FastFiles, events

SECRET = "person.guest"


def pushed(entity: str, text: str, at: int) -> str:
    new = {"entity_id": entity, "state": text, "attributes": {}, "last_changed": to_iso(at), "last_updated": to_iso(at)}
    data = {"entity_id": entity, "old_state": None, "new_state": new}
    return json.dumps({"event_type": "state_changed", "time_fired": to_iso(at), "data": data})


def lines(folder: Path, days_ago: list[int]) -> str:
    """Return a file with a state of two entities and a call for each of these days."""
    now = SystemClock().now()
    texts = []
    for days in days_ago:
        at = now - days * DAY
        texts += [pushed("sensor.a", str(days), at), pushed(SECRET, "home", at)]
        texts.append(json.dumps({"event_type": "call_service", "time_fired": to_iso(at), "data": {}}))
    path = folder / f"{days_ago[0]}.ndjson"
    path.write_text("\n".join(texts) + "\n")
    return str(path)


def counts(homeiq: Homeiq) -> dict[str, int]:
    found = homeiq.sql("SELECT coalesce(entity_id, event_type) AS what, count(*) AS n FROM events GROUP BY ALL")
    return {row["what"]: row["n"] for row in found}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("running", [False, True])
def test_beside_a_recorder_and_without_one(tmp_path: Path, running: bool) -> None:
    ages = {"HOMEIQ_RETENTION__EVENT_TYPES": '{"call_service": "30d", "state_changed": "forever"}'}
    with Homeiq(tmp_path, **ages) as homeiq:
        if running:
            homeiq.start("run")
            wait_for("the recorder", lambda: homeiq.ask("position"))
        homeiq.run("import", "ndjson", lines(tmp_path, [100, 50, 10, 1]))
        done = json.loads(homeiq.run("compact", "--json").stdout)
        assert done["expired"]["records"] == 2
        found = counts(homeiq)
        assert (found["call_service"], found["blank"], found["sensor.a"]) == (2, 2, 4)
        said = homeiq.run("compact").stdout
        assert "expired" not in said, "nothing expires twice"

        if not running:
            homeiq.run("replay")
        else:
            wait_for("the points", lambda: point_counts(homeiq).get(SECRET) == 4)
        assert point_counts(homeiq) == {"sensor.a": 4, SECRET: 4}
        refused = homeiq.run("forget", "--entity", SECRET, check=False)
        assert refused.returncode != 0
        assert counts(homeiq)[SECRET] == 4
        forgotten = json.loads(homeiq.run("forget", "--entity", "person.*", "--since", "60d", "--yes", "--json").stdout)
        assert (forgotten["records"], forgotten["entities"]) == (3, 1)
        if not running:
            homeiq.run("replay", "--stale")
        wait_for("the points to go", lambda: point_counts(homeiq) == {"sensor.a": 4, SECRET: 1})
        assert json.loads(homeiq.run("verify", "--json").stdout)["findings"] == []
        status = json.loads(homeiq.run("status", "--json").stdout)
        assert status["targets"][0]["frozen"] == 0


def point_counts(homeiq: Homeiq) -> dict[str, int]:
    sql = "SELECT entity_id, count(*) AS n FROM points WHERE measurement = 'home_assistant_events' GROUP BY ALL"
    return {row["entity_id"]: row["n"] for row in homeiq.sql(sql)}


@pytest.mark.timeout(240)
def test_small_segments_are_merged_in_the_background_once_it_is_worth_it(tmp_path: Path) -> None:
    """The command that the recorder starts for it leaves the tail alone."""
    with Homeiq(tmp_path) as homeiq:
        for number, left in ((6, 7), (8, 1)):
            while len(segments(homeiq)) < number:
                with EventLog(homeiq.data_dir, files=FastFiles()) as log:
                    log.append(events(log.next_seq, 5))
                    log.rotate()
                    seal(homeiq.data_dir)
            with EventLog(homeiq.data_dir, files=FastFiles()) as log:
                log.append(events(log.next_seq, 1))
            homeiq.run("compact", "--background")  # which seals that one too
            assert len(segments(homeiq)) == left


def segments(homeiq: Homeiq) -> list[Path]:
    return sorted(homeiq.data_dir.glob("log/date=*/*.parquet"))
