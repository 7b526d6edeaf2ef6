"""What goes wrong is said in one clear sentence that names the setting, and nothing is lost."""

import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from end_to_end.logs import days, write_log
from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2
from servers.ports import free_port
from servers.web import serving


@pytest.fixture
def not_home_assistant() -> Iterator[str]:
    """The URL of some other web server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as place:
        yield f"http://{place}"


def stays_and_says(homeiq: Homeiq, *sentences: str) -> None:
    """Assert that the recorder says these things once, stays, and keeps what it has."""
    process = homeiq.start("record")
    for sentence in sentences:
        wait_for(sentence, lambda sentence=sentence: sentence in homeiq.said())
    assert not homeiq.connected()
    assert process.poll() is None
    assert homeiq.said().count("not connected to Home Assistant") == 1
    assert "Traceback" not in homeiq.said()
    assert homeiq.stop(process) == 0
    reasons = homeiq.sql("SELECT raw->>'reason' AS reason FROM events WHERE event_type = 'homeiq_disconnected'")
    assert len(reasons) == 1
    assert sentences[0] in reasons[0]["reason"]


def test_wrong_token(home_assistant: HomeAssistantServer, tmp_path: Path) -> None:
    with Homeiq(tmp_path, HOME_ASSISTANT_URL=home_assistant.url, HOME_ASSISTANT_TOKEN="wrong") as homeiq:
        stays_and_says(homeiq, "Home Assistant refuses the token", "set home_assistant.token, or HOME_ASSISTANT_TOKEN")


def test_unreachable_host(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Homeiq(tmp_path, HOME_ASSISTANT_URL=url, HOME_ASSISTANT_TOKEN="any") as homeiq:
        stays_and_says(homeiq, f"Home Assistant at {url} cannot be reached", "check home_assistant.url")


def test_not_home_assistant(not_home_assistant: str, tmp_path: Path) -> None:
    with Homeiq(tmp_path, HOME_ASSISTANT_URL=not_home_assistant, HOME_ASSISTANT_TOKEN="any") as homeiq:
        stays_and_says(homeiq, f"{not_home_assistant} is not Home Assistant", "check home_assistant.url")


def test_nothing_configured(tmp_path: Path) -> None:
    with Homeiq(tmp_path) as homeiq:
        process = homeiq.start("record")
        wait_for("the recorder", lambda: "recording into" in homeiq.said())
        assert "set home_assistant.url in homeiq.yaml, or HOME_ASSISTANT_URL" in homeiq.said()
        assert homeiq.stop(process) == 0


def test_second_recorder(tmp_path: Path) -> None:
    with Homeiq(tmp_path) as homeiq:
        homeiq.start("record")
        wait_for("the first recorder", lambda: homeiq.ask("position"))
        second = homeiq.run("record", check=False)
        assert second.returncode == 1
        assert "another process records into" in second.stderr
        assert "homeiq record, process" in second.stderr
        assert second.stderr.count("\n") == 1 + second.stderr.count("is not configured")


def test_disk_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with Homeiq(tmp_path) as homeiq:
        result = homeiq.run("--data-dir", str(tmp_path / "file" / "data"), "record", check=False)
        assert result.returncode == 1
        assert "the log cannot be written" in result.stderr
        assert "or name another folder with --data-dir" in result.stderr
    if os.geteuid() != 0:
        (tmp_path / "read-only").mkdir(mode=0o500)
        result = homeiq.run("--data-dir", str(tmp_path / "read-only"), "record", check=False)
        assert (result.returncode, "permission" in result.stderr.lower()) == (1, True)


@pytest.mark.parametrize("command", ["sql", "replay", "compact"])
def test_no_log_here(tmp_path: Path, command: str) -> None:
    with Homeiq(tmp_path) as homeiq:
        result = homeiq.run(command, *(["SELECT 1"] if command == "sql" else []), check=False)
        assert result.returncode == 1
        assert "there is no log in" in result.stderr


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"INFLUXDB_TOKEN": "wrong"}, "set influxdb.token, or INFLUXDB_TOKEN"),
        ({"INFLUXDB_ORG": "wrong"}, "check influxdb.org (wrong)"),
        ({"INFLUXDB_BUCKET": "wrong"}, "influxdb.bucket (wrong), or make the bucket: influx bucket create"),
        ({"INFLUXDB_URL": "http://127.0.0.1:9"}, "check influxdb.url, or INFLUXDB_URL"),
    ],
)
def test_influxdb_2_settings(tmp_path: Path, settings: dict[str, str], sentence: str) -> None:
    """A one-shot command ends with exit 1; the follower says it, stays, and goes on once it is right."""
    write_log(tmp_path / "data", days(1, 100))
    server = InfluxDB2()
    right = {
        "INFLUXDB_URL": server.url,
        "INFLUXDB_TOKEN": server.token,
        "INFLUXDB_ORG": server.org,
        "INFLUXDB_BUCKET": server.bucket,
    }
    try:
        with Homeiq(tmp_path, **(right | settings)) as homeiq:
            if "INFLUXDB_URL" not in settings:  # an unreachable one is tried for a while
                result = homeiq.run("replay", check=False)
                assert result.returncode == 1
                assert sentence in result.stderr
            daemon = homeiq.start("run")
            wait_for(sentence, lambda: sentence in homeiq.said())
            assert daemon.poll() is None
            assert homeiq.ask("position") is not None
            assert homeiq.stop(daemon) == 0
        with Homeiq(tmp_path, **right) as homeiq:
            homeiq.run("replay")
            assert sum(key[0] == "home_assistant_events" for key in server.content) == 100
    finally:
        server.close()


def test_influxdb_1_token_and_database(influxdb_factory, tmp_path: Path) -> None:
    server: InfluxDBServer = influxdb_factory(auth_enabled=True)
    server.create_database("home")
    write_log(tmp_path / "data", days(1, 100))
    with Homeiq(tmp_path, INFLUXDB_URL=server.url, INFLUXDB_TOKEN=server.token, INFLUXDB_BUCKET="home") as homeiq:
        wrong = homeiq.run("replay", check=False, INFLUXDB_TOKEN="homeiq:wrong")
        assert (wrong.returncode, "set influxdb.token" in wrong.stderr) == (1, True)
        missing = homeiq.run("replay", check=False, INFLUXDB_BUCKET="missing")
        assert (missing.returncode, "CREATE DATABASE missing" in missing.stderr) == (1, True)
        assert homeiq.run("replay").returncode == 0
    assert len(server.read_back("home")) == 100


def test_wrong_usage(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 10))
    with Homeiq(tmp_path) as homeiq:
        for arguments, sentence in [
            (("replay", "--since", "whenever"), "--since whenever is not a time"),
            (("replay", "--follow", "--since", "1d"), "--follow goes on for ever"),
            (("sql", "SELEC 1"), "syntax error"),
            (("--config", "missing.yaml", "record"), "missing.yaml cannot be read"),
        ]:
            result = homeiq.run(*arguments, check=False)
            assert (result.returncode, sentence in result.stderr) == (2, True), result.stderr
        (tmp_path / "homeiq.yaml").write_text("home_assistant:\n  tokn: x\n")
        result = homeiq.run("record", check=False)
        assert (result.returncode, "did you mean token?" in result.stderr) == (2, True), result.stderr


def test_half_open_connection_is_noticed(tmp_path: Path) -> None:
    """A host that accepts the connection and says nothing is not a connection."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Homeiq(tmp_path, HOME_ASSISTANT_URL=url, HOME_ASSISTANT_TOKEN="any") as homeiq:
            stays_and_says(homeiq, f"Home Assistant at {url} does not answer")
