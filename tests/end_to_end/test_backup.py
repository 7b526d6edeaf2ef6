"""homeiq backup and restore as a user runs them, to a folder and to a real S3 store."""

import json
import socket
from pathlib import Path

import pytest
from homeiq.storage.files import locked
from homeiq.storage.log import EventLog

from end_to_end.logs import days, write_log
from servers.homeiq import Homeiq
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
