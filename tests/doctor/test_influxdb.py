"""Targets: a real InfluxDB that is right, wrong, emptied, another's; one of our own for faults that it can't show."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from homeiq.clock import ManualClock
from homeiq.doctor import influxdb
from homeiq.doctor.case import QUIET, Case, Limits
from homeiq.doctor.diagnosis import diagnose
from homeiq.doctor.finding import Finding
from homeiq.replayer.replay import replay
from homeiq.settings import InfluxDBSettings, Settings, TargetSettings

from doctor.looking import QUICK, at_home, writing_to
from end_to_end.logs import START, days, write_log
from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2
from servers.ports import free_port

NOW = START + 3_600_000_000


@pytest.fixture
def influxdb2() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


def findings(data_dir: Path, target: InfluxDBSettings, limits: Limits = QUICK) -> dict[str, Finding]:
    case = Case(Settings(data_dir=data_dir, influxdb=target), None, ManualClock(NOW), limits)
    return {finding.code: finding for finding in influxdb.check(case).findings}


def facts(data_dir: Path, target: InfluxDBSettings) -> dict[str, object]:
    case = Case(Settings(data_dir=data_dir, influxdb=target), None, ManualClock(NOW), QUICK)
    (section,) = influxdb.check(case).sections
    said: dict[str, object] = section.facts["influxdb"]
    return said


def test_a_point_is_written_read_back_and_removed(
    influxdb: InfluxDBServer, influx_database: str, tmp_path: Path
) -> None:
    write_log(tmp_path, days(1, 200))
    target = writing_to(influxdb.url, influx_database)
    replay(Settings(data_dir=tmp_path, influxdb=target))
    before = influxdb.read_back(influx_database, marker=True)
    found = findings(tmp_path, target)
    assert set(found) == {"influxdb-writes"}
    assert influxdb.read_back(influx_database, marker=True) == before, "nothing of it is left"
    said = facts(tmp_path, target)
    assert (said["reachable"], said["writable"], said["probe_removed"], said["present"]) == (True, True, True, True)
    assert str(said["product"]).startswith("InfluxDB"), "one that was built by hand does not know its version"
    assert said["retention_microseconds"] is None
    assert said["newest"]


def test_without_a_probe_nothing_is_written(influxdb2: InfluxDB2, tmp_path: Path) -> None:
    write_log(tmp_path, days(1, 10))
    target = writing_to(influxdb2.url, influxdb2.bucket, influxdb2.token)
    found = findings(tmp_path, target, QUIET)
    assert set(found) == {"influxdb-writes"}
    assert influxdb2.asked.count("POST /api/v2/write") == 1, "the empty one, which asks for the right"
    settings = Settings(data_dir=tmp_path, influxdb=target, home_assistant=at_home("http://127.0.0.1:1", "x"))
    whole = diagnose(settings, None, limits=QUIET)
    assert len(whole.unseen) == 3, "Home Assistant, the points, and the units"
    assert "home-assistant-unreachable" not in {finding.code for finding in whole.findings}


def test_the_retention_is_said(influxdb: InfluxDBServer, influx_database: str, tmp_path: Path) -> None:
    influxdb.query(f"CREATE RETENTION POLICY short ON {influx_database} DURATION 48h REPLICATION 1 DEFAULT")
    write_log(tmp_path, days(1, 10))
    case = Case(Settings(data_dir=tmp_path, influxdb=writing_to(influxdb.url, influx_database)), None, limits=QUICK)
    (section,) = influxdb_section(case)
    assert ("bucket", f"{influx_database}, which keeps points for 2 d 0 h") in section


def influxdb_section(case: Case) -> list[tuple[tuple[str, str], ...]]:
    return [section.lines for section in influxdb.check(case).sections]


def test_nobody_is_there(tmp_path: Path) -> None:
    write_log(tmp_path, days(1, 10))
    found = findings(tmp_path, writing_to(f"http://127.0.0.1:{free_port()}", "x"))
    assert found["influxdb-unreachable"].severity == "wrong"


def test_no_such_database(influxdb: InfluxDBServer, tmp_path: Path) -> None:
    write_log(tmp_path, days(1, 10))
    found = findings(tmp_path, writing_to(influxdb.url, "nobody_made_it"))
    assert set(found) == {"influxdb-bucket-missing"}
    assert any("CREATE DATABASE" in command for command in found["influxdb-bucket-missing"].remedy)


def test_a_wrong_token_and_one_that_may_only_write(
    influxdb_factory: Callable[..., InfluxDBServer], tmp_path: Path
) -> None:
    server = influxdb_factory(auth_enabled=True)
    server.create_database("home")
    server.query("CREATE USER writer WITH PASSWORD 'pw'")
    server.query("GRANT WRITE ON home TO writer")
    write_log(tmp_path, days(1, 10))
    refused = findings(tmp_path, writing_to(server.url, "home", "homeiq:wrong-secret"))
    assert set(refused) == {"influxdb-refused"}
    assert "wrong-secret" not in str(refused)
    limited = findings(tmp_path, writing_to(server.url, "home", "writer:pw"))
    assert limited["influxdb-limited"].severity == "attention"
    assert "influxdb-writes" in limited
    points = server.query("SELECT * FROM homeiq_doctor", "home")
    assert len(points[0]["values"]) == 1
    findings(tmp_path, writing_to(server.url, "home", "writer:pw"))
    assert server.query("SELECT * FROM homeiq_doctor", "home")[0]["values"][0][0] == points[0]["values"][0][0]
    assert len(server.query("SELECT * FROM homeiq_doctor", "home")[0]["values"]) == 1, "one a day, not one each time"


def test_an_emptied_database(influxdb: InfluxDBServer, influx_database: str, tmp_path: Path) -> None:
    write_log(tmp_path, days(1, 50))
    target = writing_to(influxdb.url, influx_database)
    replay(Settings(data_dir=tmp_path, influxdb=target))
    influxdb.drop(influx_database)
    influxdb.create_database(influx_database)
    assert findings(tmp_path, target)["influxdb-emptied"].severity == "wrong"


def test_a_database_of_another_log(influxdb: InfluxDBServer, influx_database: str, tmp_path: Path) -> None:
    target = writing_to(influxdb.url, influx_database)
    for name in ("one", "other"):
        write_log(tmp_path / name, days(1, 50))
    replay(Settings(data_dir=tmp_path / "one", influxdb=target))
    assert set(findings(tmp_path / "one", target)) == {"influxdb-writes"}
    assert findings(tmp_path / "other", target)["influxdb-of-another-log"].severity == "wrong"


def test_a_write_that_fails_is_lost_or_stays(influxdb2: InfluxDB2, tmp_path: Path) -> None:
    """A full disk, a proxy that answers for everybody, a delete that fails: no real server can be brought to it here."""
    write_log(tmp_path, days(1, 10))
    target = writing_to(influxdb2.url, influxdb2.bucket, influxdb2.token)
    fine = (204, {}, None)
    influxdb2.answers_to["/api/v2/write"] = [fine, (500, {}, {"message": "no space left on device"})]
    found = findings(tmp_path, target)
    assert "no space left" in found["influxdb-write-refused"].sentence
    influxdb2.answers_to["/api/v2/write"] = [fine, fine]
    assert findings(tmp_path, target)["influxdb-write-lost"].severity == "wrong"
    influxdb2.answers_to["/api/v2/delete"] = [fine, (500, {}, {"message": "engine is closed"})]
    assert findings(tmp_path, target)["influxdb-probe-stays"].severity == "attention"


def test_targets_that_are_files(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 10))
    lines = TargetSettings(kind="line_protocol", path=tmp_path / "lines" / "all.txt")
    settings = Settings(data_dir=tmp_path / "data", targets={"lines": lines})
    good = influxdb.check(Case(settings, None))
    assert [finding.code for finding in good.findings] == ["target-writable", "target-writable"]
    assert not (tmp_path / "lines").exists(), "a diagnosis makes nothing"
    (tmp_path / "data" / "points").write_text("not a folder")
    (tmp_path / "lines").write_text("not a folder")
    bad = influxdb.check(Case(settings, None))
    assert [finding.code for finding in bad.findings] == ["target-not-writable", "target-not-writable"]
