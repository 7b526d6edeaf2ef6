"""`homeiq init` with a real Home Assistant and a real InfluxDB: by options alone, and as a person at a terminal."""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from homeiq.cli import cli
from homeiq.commands.schema import schema

from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2
from servers.simulated import SimulatedServer
from servers.terminal import Terminal


@pytest.fixture
def homeiq(tmp_path: Path) -> Iterator[Homeiq]:
    folder = tmp_path / "me"
    folder.mkdir()
    with Homeiq(folder) as one:
        yield one


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedServer]:
    with SimulatedServer() as server:
        yield server


@pytest.fixture
def influxdb2() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


def config_of(homeiq: Homeiq) -> Path:
    return homeiq.folder / ".config" / "homeiq" / "homeiq.yaml"


def token_in(homeiq: Homeiq, token: str, name: str = "token") -> str:
    file = homeiq.folder / name
    file.write_text(f"{token}\n")
    return str(file)


def at_a_terminal(homeiq: Homeiq, *arguments: str) -> Terminal:
    command = [sys.executable, "-m", "homeiq", "init", *arguments]
    return Terminal(command, homeiq.environment | {"TERM": "dumb"}, homeiq.folder)


def test_by_options_alone_a_home_is_set_up_and_recorded(
    homeiq: Homeiq, home_assistant: HomeAssistantServer, influxdb_factory: Callable[..., InfluxDBServer]
) -> None:
    influxdb = influxdb_factory(auth_enabled=True)
    influxdb.create_database("home")
    ours, theirs = token_in(homeiq, home_assistant.token), token_in(homeiq, influxdb.token, "influx")
    to = ("--influxdb-url", influxdb.url, "--influxdb-token-file", theirs, "--influxdb-bucket", "home")
    result = homeiq.run("init", "--url", home_assistant.url, "--token-file", ours, *to)
    config = config_of(homeiq)
    assert result.stdout == f"wrote {config}\n"
    assert "connected to Home Assistant 2024.3.3, Test, " in result.stderr
    assert result.stderr.endswith("next: homeiq run\n")
    assert config.stat().st_mode & 0o777 == 0o600
    text = config.read_text()
    assert home_assistant.token not in text
    assert influxdb.token not in text
    content = yaml.safe_load(text)
    assert content["home_assistant"] == {"url": home_assistant.url, "token_file": ours}
    assert content["influxdb"] == {"url": influxdb.url, "token_file": theirs, "org": "homeiq", "bucket": "home"}
    assert content["weather"]["provider"] == "home_assistant", "the demo has weather entities"
    assert content["calendar"]["calendars"] == ["calendar.calendar_1", "calendar.calendar_2"]
    assert "air_quality" not in content, "nobody outside is asked unless a person says so"
    assert "# air_quality:\n#   provider: open_meteo\n" in text
    assert text.startswith("# yaml-language-server: $schema=./homeiq.schema.json\n")
    assert json.loads(config.with_name("homeiq.schema.json").read_text()) == schema()
    homeiq.start("run")
    wait_for("homeiq to hear Home Assistant", homeiq.connected, 90)
    wait_for(
        "points in InfluxDB",
        lambda: influxdb.query("SELECT count(available) FROM home_assistant_events", "home"),
        90,
    )


def test_variables_say_it_too_and_a_token_in_one_gets_a_file(homeiq: Homeiq, simulated: SimulatedServer) -> None:
    variables = {"HOME_ASSISTANT_URL": simulated.url, "HOME_ASSISTANT_TOKEN": simulated.token}
    homeiq.run("init", "--utilities", "air_quality,smart_meter", **variables)
    content = yaml.safe_load(config_of(homeiq).read_text())
    file = Path(content["home_assistant"]["token_file"])
    assert file == config_of(homeiq).with_name("home-assistant-token")
    assert file.read_text() == f"{simulated.token}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert content["air_quality"] == {"provider": "open_meteo"}
    assert content["smart_meter"]["circuits"]["kitchen"] == ["sensor.kitchen_power", "sensor.kitchen_energy"]
    assert "calendar" not in content


def test_what_is_there_already_stays_unless_it_is_said(homeiq: Homeiq, simulated: SimulatedServer) -> None:
    config = homeiq.folder / "homeiq.yaml"
    config.write_text("http: {port: 1234}\n")
    given = ("--url", simulated.url, "--token-file", token_in(homeiq, simulated.token))
    result = homeiq.run("init", *given, check=False)
    assert result.returncode == 2
    assert f"{config} is there already: --force writes it anew" in result.stderr
    assert config.read_text() == "http: {port: 1234}\n"
    homeiq.run("init", *given, "--force")
    assert "home_assistant" in yaml.safe_load(config.read_text())
    assert config.with_name("homeiq.yaml.old").read_text() == "http: {port: 1234}\n"
    other = homeiq.folder / "elsewhere" / "mine.yaml"
    result = homeiq.run("--config", str(other), "--data-dir", str(homeiq.folder / "log"), "init", *given)
    assert yaml.safe_load(other.read_text())["data_dir"] == str(homeiq.folder / "log")
    assert result.stderr.endswith(f"next: homeiq --config {other} run\n")


class Strangers:
    """Servers that are no Home Assistant."""

    def __init__(self, answer: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def stranger() -> Iterator[Strangers]:
    server = Strangers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    yield server
    server.close()


def test_each_way_of_failing_is_one_sentence_and_nothing_is_written(
    homeiq: Homeiq,
    simulated: SimulatedServer,
    stranger: Strangers,
    influxdb: InfluxDBServer,
    influxdb2: InfluxDB2,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name not in homeiq.environment]:
        monkeypatch.delenv(name)
    for name, value in homeiq.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(homeiq.folder)
    right, wrong, empty = (
        token_in(homeiq, text, f"t{number}") for number, text in enumerate([simulated.token, "wrong", ""])
    )
    home = ("--url", simulated.url, "--token-file", right)
    second = ("--influxdb-url", influxdb2.url, "--influxdb-bucket", "home")
    cases: list[tuple[int, str, tuple[str, ...]]] = [
        (2, "there is nobody to ask: give --url or HOME_ASSISTANT_URL, and --token-file, HOME_ASSISTANT_TOKEN", ()),
        (2, "there is nobody to ask: give --token-file, HOME_ASSISTANT_TOKEN", ("--url", simulated.url)),
        (2, "--token-file names none, which cannot be read", ("--url", simulated.url, "--token-file", "none")),
        (2, "which is empty", ("--url", simulated.url, "--token-file", empty)),
        (1, "Home Assistant refuses the token: ", ("--url", simulated.url, "--token-file", wrong)),
        (1, "cannot be reached", ("--url", "http://127.0.0.1:1", "--token-file", right)),
        (1, f"{stranger.url} is not Home Assistant (HTTP 404)", ("--url", stranger.url, "--token-file", right)),
        (1, "is not an address", ("--url", "ftp://127.0.0.1:1", "--token-file", right)),
        (1, f"InfluxDB at {stranger.url} ", (*home, "--influxdb-url", stranger.url)),
        (1, "InfluxDB at http://127.0.0.1:1 cannot be reached", (*home, "--influxdb-url", "http://127.0.0.1:1")),
        (1, "refuses the token", (*home, *second, "--influxdb-token-file", wrong)),
        (1, "has no such organisation or bucket", (*home, "--influxdb-url", influxdb.url, "--influxdb-bucket", "none")),
        (2, "--utilities heating cannot be set up", (*home, "--utilities", "heating")),
    ]
    for code, said, arguments in cases:
        result = CliRunner().invoke(cli, ["init", *arguments])
        assert said in result.stderr, arguments
        assert result.exit_code == code, arguments
        assert simulated.token not in result.stderr
        assert not config_of(homeiq).exists()
        assert not list(homeiq.folder.glob(".config/homeiq/*")), arguments


def test_a_person_is_asked_and_may_err(
    homeiq: Homeiq, home_assistant: HomeAssistantServer, influxdb2: InfluxDB2, stranger: Strangers
) -> None:
    homeiq.environment["INFLUXDB_URL"] = influxdb2.url
    with at_a_terminal(homeiq) as person:
        person.answer("Address of Home Assistant [http://homeassistant.local:8123]: ", "http://127.0.0.1:1")
        person.expect("cannot be reached")
        person.answer("Address of Home Assistant", stranger.url)
        person.expect("is not Home Assistant")
        person.answer("Address of Home Assistant", home_assistant.url.removeprefix("http://"))
        person.expect(f"open {home_assistant.url}/profile/security")
        person.answer("Token, not shown: ", "wrong-token")
        person.expect("Home Assistant refuses the token: it may be cut off")
        person.answer("Token, not shown: ", home_assistant.token)
        person.expect("connected to Home Assistant 2024.3.3, Test, ")
        person.answer(f"at {influxdb2.url}? [Y/n]: ", "y")
        person.answer("Its organisation [homeiq]: ", "")
        person.answer("Bucket [home_assistant_events]: ", "home")
        person.answer("Its token", "no-token")
        person.expect("refuses the token")
        person.answer("Try again with other words? [Y/n]: ", "")
        person.answer("Its organisation [homeiq]: ", "")
        person.answer("Bucket [home_assistant_events]: ", "home")
        person.answer("Its token", influxdb2.token)
        person.expect("connected to InfluxDB")
        person.answer("nobody is asked. Use that? [Y/n]: ", "")
        person.answer("Ask Open-Meteo (which hears about where you live)? [Y/n]: ", "n")
        person.answer(" Use that? [Y/n]: ", "")
        person.answer("titles of events get into the log. Use that? [Y/n]: ", "no")
        person.expect("next: homeiq run")
        assert person.ended() == 0
    content = yaml.safe_load(config_of(homeiq).read_text())
    assert set(content) == {"home_assistant", "influxdb", "weather", "smart_meter"}
    assert content["influxdb"]["url"] == influxdb2.url
    assert Path(content["influxdb"]["token_file"]).read_text() == f"{influxdb2.token}\n"
    assert home_assistant.token not in person.shown
    assert influxdb2.token not in person.shown
    assert "wrong-token" not in person.shown


def test_a_person_without_an_influxdb(homeiq: Homeiq, simulated: SimulatedServer) -> None:
    with at_a_terminal(homeiq, "--url", simulated.url, "--utilities", "none") as person:
        person.answer("Token, not shown: ", simulated.token)
        while True:  # one that runs on this machine is not ours
            person.expect(" ")
            if "Its address (Enter: none" in person.shown or "Another InfluxDB (Enter: none" in person.shown:
                break
            if person.shown.rstrip().endswith("[Y/n]:"):
                person.answer("", "n")
        person.answer("", "http://127.0.0.1:1")
        person.expect("no InfluxDB answers at http://127.0.0.1:1")
        person.answer("Enter: none", "")
        person.expect("next: homeiq run")
        assert person.ended() == 0
    content = yaml.safe_load(config_of(homeiq).read_text())
    assert set(content) == {"home_assistant"}


@pytest.mark.parametrize("major", [1, 2])
def test_a_bucket_that_is_missing_is_made_if_a_person_wants_it(
    homeiq: Homeiq, simulated: SimulatedServer, influxdb: InfluxDBServer, influxdb2: InfluxDB2, major: int
) -> None:
    server = influxdb if major == 1 else influxdb2
    name = f"made_by_init_{homeiq.folder.parent.name}"
    homeiq.environment |= {"INFLUXDB_URL": server.url, "INFLUXDB_BUCKET": name, "HOME_ASSISTANT_TOKEN": simulated.token}
    with at_a_terminal(homeiq, "--url", simulated.url, "--utilities", "none") as person:
        person.answer(f"at {server.url}? [Y/n]: ", "")
        if major == 2:
            person.answer("Its organisation [homeiq]: ", "another")
        person.answer("Its token", server.token)
        person.expect("has no such organisation or bucket")
        person.answer(f"Make {name} there? [Y/n]: ", "")
        if major == 2:
            person.expect("no such organisation")
            person.answer("Its organisation [homeiq]: ", "")
            person.answer("Bucket [home_assistant_events]: ", name)
            person.answer(f"Make {name} there? [Y/n]: ", "")
        person.expect(f"bucket {name}")
        person.expect("next: homeiq run")
        assert person.ended() == 0
    assert yaml.safe_load(config_of(homeiq).read_text())["influxdb"]["bucket"] == name
    if major == 1:
        influxdb.drop(name)
    else:
        assert name in influxdb2.buckets


def test_a_person_may_keep_what_is_there(homeiq: Homeiq) -> None:
    config_of(homeiq).parent.mkdir(parents=True)
    config_of(homeiq).write_text("http:\n")
    with at_a_terminal(homeiq) as person:
        person.answer("Write it anew, and keep it as homeiq.yaml.old? [y/N]: ", "")
        person.expect("stays as it is")
        assert person.ended() == 2
    assert config_of(homeiq).read_text() == "http:\n"
    with at_a_terminal(homeiq, "--yes", "--force") as person:
        person.expect("there is nobody to ask: give --url or HOME_ASSISTANT_URL")
        assert person.ended() == 2


def test_the_old_history_is_imported(homeiq: Homeiq, home_assistant: HomeAssistantServer) -> None:
    database = home_assistant.config_dir / "home-assistant_v2.db"
    given = ("--url", home_assistant.url, "--token-file", token_in(homeiq, home_assistant.token))
    result = homeiq.run("init", *given, "--history", str(database))
    assert "imported" in result.stdout
    (row,) = homeiq.sql("SELECT count(*) AS states FROM states WHERE origin = 'import'")
    assert row["states"] > 50


def test_the_schema_is_printed(homeiq: Homeiq) -> None:
    assert json.loads(homeiq.run("init", "--schema").stdout) == schema()
    assert not config_of(homeiq).exists()
