"""homeiq backup and restore as a user runs them, to a folder and to a real S3 store."""

import json
import socket
from pathlib import Path

import pytest
from homeiq.storage.files import locked
from homeiq.storage.log import EventLog

from end_to_end.logs import days, write_log
from servers.homeiq import Homeiq, wait_for
from servers.simulated import SimulatedServer
from servers.versitygw import S3Server

_COUNT = "SELECT count(*) AS n, max(seq) AS last FROM events"


@pytest.fixture(params=["folder", "s3"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "backup") if request.param == "folder" else request.getfixturevalue("s3_url")


def keys(server: S3Server) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": server.key, "AWS_SECRET_ACCESS_KEY": server.secret}


def test_a_backup_is_read_replayed_and_restored(destination: str, tmp_path: Path, s3_server: S3Server) -> None:
    write_log(tmp_path / "data", days(2, 300))
    with Homeiq(tmp_path, **keys(s3_server)) as homeiq:
        homeiq.run("compact")
        with EventLog(homeiq.data_dir, purpose="a recorder") as log:  # beside whoever records
            log.append(list(days(1, 20)))
            facts = json.loads(homeiq.run("backup", destination, "--json").stdout)
            assert (facts["last_seq"], facts["findings"]) == (log.next_seq - 1, [])
            assert json.loads(homeiq.run("backup", destination, "--json").stdout)["copied"] == 0
            assert "holds the log up to record" in homeiq.run("backup", destination, "--check").stdout
        lines, rows = homeiq.run("replay", "--output", "-").stdout, homeiq.sql(_COUNT)
        there = ["--data-dir", destination]
        assert json.loads(homeiq.run(*there, "sql", "--json", _COUNT).stdout) == rows
        assert homeiq.run(*there, "replay", "--output", "-").stdout == lines
        assert homeiq.run(*there, "export").stdout == homeiq.run("export").stdout
        homeiq.run(*there, "verify")

        copy = str(tmp_path / "copy")
        assert "restored the log" in homeiq.run("--data-dir", copy, "restore", destination).stdout
        assert homeiq.run("--data-dir", copy, "replay", "--output", "-").stdout == lines
        again = homeiq.run("--data-dir", copy, "restore", destination, check=False)
        assert again.returncode == 2
        assert "is not empty" in again.stderr


def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, s3_server: S3Server, s3_url: str) -> None:
    write_log(tmp_path / "data", days(1, 10))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = s3_url.replace(s3_server.endpoint, f"127.0.0.1:{free.getsockname()[1]}")
        (tmp_path / "file").write_text("")
        with Homeiq(tmp_path, **keys(s3_server)) as homeiq:
            for place in (nobody, s3_url.replace("/home", "-missing/home"), str(tmp_path / "file" / "below")):
                said = homeiq.run("backup", place, check=False)
                assert (said.returncode, len(said.stderr.splitlines())) == (1, 1), said.stderr
            with locked(homeiq.data_dir / "BACKUP", "a backup that takes long"):
                said = homeiq.run("backup", s3_url, check=False)
            assert said.returncode == 1
            assert "still running" in said.stderr
            said = homeiq.run("--data-dir", s3_url, "compact", check=False)
            assert said.returncode == 2
            assert "needs a folder" in said.stderr


@pytest.mark.timeout(240)
def test_beside_a_recorder_and_its_follower(tmp_path: Path) -> None:
    settings = {"HOMEIQ_RECORDING__SEAL_RECORDS": "300", "HOMEIQ_RECORDING__GROUP_SECONDS": "0.1"}
    with SimulatedServer(speed=2_000.0) as home:
        connected = {"HOME_ASSISTANT_URL": home.url, "HOME_ASSISTANT_TOKEN": home.token}
        with Homeiq(tmp_path, **settings, **connected) as homeiq:
            process = homeiq.start("run")
            wait_for("the recorder to be connected", homeiq.connected)
            destination = str(tmp_path / "backup")
            for number in range(4):
                durable = (homeiq.ask("position") or {})["durable_seq"]
                more = durable + 400
                facts = json.loads(homeiq.run("backup", destination, "--check", "--json").stdout)
                assert facts["findings"] == []
                assert facts["last_seq"] >= durable
                copy = ["--data-dir", str(tmp_path / f"copy{number}")]
                homeiq.run(*copy, "restore", destination)
                homeiq.run(*copy, "verify")
                (found,) = json.loads(homeiq.run(*copy, "sql", "--json", _COUNT).stdout)
                assert found["n"] == found["last"] >= durable
                wait_for("more records", lambda more=more: (homeiq.ask("position") or {})["durable_seq"] > more)
                if number == 1:
                    homeiq.run("compact")
            assert homeiq.stop(process) == 0
            homeiq.run("backup", destination)
            homeiq.run("--data-dir", str(tmp_path / "last"), "restore", destination)
            whole = homeiq.run("export").stdout
            assert homeiq.run("--data-dir", str(tmp_path / "last"), "export").stdout == whole
            assert "Traceback" not in homeiq.said()
