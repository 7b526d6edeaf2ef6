"""A disk damages the log of a home: what a backup holds comes back, the rest is given up only when somebody says so."""

import json
from pathlib import Path

import pytest
from homeiq.storage.manifest import SegmentName
from homeiq.storage.reader import list_files

from servers.homeiq import Homeiq, wait_for
from servers.versitygw import S3Server

from .test_backup import keys
from .test_retention import lines


def segments(homeiq: Homeiq) -> list[SegmentName]:
    return [part.segment for part in list_files(homeiq.data_dir).slices]


def points(homeiq: Homeiq) -> list[dict[str, object]]:
    return homeiq.sql(
        "SELECT measurement, time, entity_id, fields FROM points WHERE entity_id IS NOT NULL ORDER BY ALL"
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("running", [False, True])
def test_beside_a_recorder_and_without_one(tmp_path: Path, s3_server: S3Server, s3_url: str, running: bool) -> None:
    with Homeiq(tmp_path, **keys(s3_server)) as homeiq:
        if running:
            homeiq.start("run")
            wait_for("the recorder", lambda: homeiq.ask("position"))
        for days in ([100, 99], [50, 49], [10, 1]):
            homeiq.run("import", "ndjson", lines(tmp_path, days))
            if days == [10, 1]:
                homeiq.run("backup", s3_url)
            homeiq.run("compact") if days == [100, 99] else None
        homeiq.run("compact")
        if not running:
            homeiq.run("replay")
        wait_for("the points", lambda: len(points(homeiq)) == 12)
        before = points(homeiq)
        assert homeiq.run("mend").stdout == "the log is whole: there is nothing to mend\n"

        for path in homeiq.data_dir.glob("log/date=*/*.old"):  # an hour later
            path.unlink()
        damaged = segments(homeiq)[0].path
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:-30])
        assert homeiq.run("sql", "SELECT count(*) FROM events", check=False).returncode == 1
        refused = homeiq.run("mend", check=False)
        assert refused.returncode == 1
        assert "are lost, if no backup holds them" in refused.stderr
        assert "name a backup with --from SRC, or give up what is lost with --accept-loss" in refused.stderr
        assert damaged.read_bytes() == whole[:-30]

        fetched = json.loads(homeiq.run("mend", "--from", s3_url, "--json").stdout)
        assert (fetched["lost"], fetched["left"]) == (0, [])
        assert fetched["fetched"] > 0
        assert json.loads(homeiq.run("verify", "--json").stdout)["findings"] == []

        stray = segments(homeiq)[0].path.with_name("00000000000000000001-00000000000000000003.0.parquet")
        stray.write_bytes(b"what a kill before it was set aside has left")
        assert "foreign" in homeiq.run("verify", check=False).stdout
        assert homeiq.run("mend").stdout == "the log is whole\n"

        name = segments(homeiq)[0]
        name.path.unlink()
        done = json.loads(homeiq.run("mend", "--accept-loss", "--lost-since", "200d", "--json").stdout)
        assert done["lost"] == name.last - name.first + 1
        assert json.loads(homeiq.run("verify", "--json").stdout)["findings"] == []
        if not running:
            homeiq.run("replay")
        audited = json.loads(homeiq.run("audit", "--json", check=running).stdout)
        assert (audited["tallies"], audited["problems"]) == ([], [])
        assert audited["frozen"] > 0
        assert points(homeiq) == before, "what was made of lost records stays"
        lost = homeiq.sql("SELECT count(*) AS n FROM events WHERE event_type = 'homeiq_blank'")
        assert lost == [{"n": done["lost"]}]
