"""The harness itself, with the real servers: what other tests take for granted is shown here once."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import connect

from servers.cache import Installation
from servers.home_assistant import HomeAssistantServer
from servers.influxdb import InfluxDBServer
from servers.ports import free_port
from servers.process import ServerError, ServerProcess
from servers.web import request

NANOSECONDS = 1_700_000_000_123_456_789


# --- Home Assistant


def test_home_assistant_runs_the_demo_home_with_us_units(home_assistant: HomeAssistantServer) -> None:
    config = home_assistant.ask("GET", "/api/config").json()
    assert config["version"] == "2024.3.3"
    assert config["unit_system"]["temperature"] == "°F"
    assert config["time_zone"] == "America/Los_Angeles"
    states = home_assistant.states()
    assert len(states) > 80
    assert len({state["entity_id"].split(".")[0] for state in states}) >= 25


def test_home_assistant_token_opens_the_websocket(home_assistant: HomeAssistantServer) -> None:
    with connect(home_assistant.websocket_url, proxy=None) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "auth_required"
        socket.send(json.dumps({"type": "auth", "access_token": home_assistant.token}))
        assert json.loads(socket.recv(timeout=10))["type"] == "auth_ok"
        socket.send(
            json.dumps(
                {
                    "id": 1,
                    "type": "history/history_during_period",
                    "start_time": "2020-01-01T00:00:00Z",
                    "entity_ids": ["sun.sun"],
                }
            )
        )
        assert json.loads(socket.recv(timeout=10))["success"]


def test_home_assistant_refuses_another_token(home_assistant: HomeAssistantServer) -> None:
    answer = request("GET", f"{home_assistant.url}/api/states", headers={"Authorization": "Bearer wrong"})
    assert answer.status == 401


def test_home_assistant_takes_and_drops_a_state(home_assistant: HomeAssistantServer) -> None:
    written = home_assistant.set_state("sensor.of_the_harness", "21.5", {"unit_of_measurement": "°C", "ö": [1]})
    assert written["state"] == "21.5"
    assert home_assistant.ask("GET", "/api/states/sensor.of_the_harness").json()["attributes"]["ö"] == [1]
    home_assistant.delete_state("sensor.of_the_harness")
    assert home_assistant.ask("GET", "/api/states/sensor.of_the_harness").status == 404
    with pytest.raises(ServerError, match="404"):
        home_assistant.delete_state("sensor.of_the_harness")


def test_home_assistant_calls_a_service(home_assistant: HomeAssistantServer) -> None:
    home_assistant.call("light", "turn_on", {"entity_id": "light.bed_light", "brightness": 77})
    assert home_assistant.ask("GET", "/api/states/light.bed_light").json()["attributes"]["brightness"] == 77


def test_home_assistant_logs_what_it_does(home_assistant: HomeAssistantServer) -> None:
    assert "Home Assistant initialized" in home_assistant.logs()


def test_home_assistant_comes_back_with_its_history(
    home_assistant: HomeAssistantServer, home_assistant_factory: Callable[..., HomeAssistantServer]
) -> None:
    second = home_assistant_factory(commit_interval=0)
    assert second.port != home_assistant.port
    second.set_state("sensor.survivor", "1")
    _until(lambda: _history(second, "sensor.survivor") == ["1"])
    second.kill()
    assert not second.running
    assert second.ask("GET", "/api/").status == 0
    second.start()
    assert _history(second, "sensor.survivor") == ["1"]
    second.restart()
    assert _history(second, "sensor.survivor") == ["1"]
    assert second.logs().count("Home Assistant initialized") == 3


def _history(server: HomeAssistantServer, entity_id: str) -> list[str]:
    query = urllib.parse.urlencode({"filter_entity_id": entity_id})
    found = server.ask("GET", f"/api/history/period/2020-01-01T00:00:00+00:00?{query}&end_time=2100-01-01T00:00:00Z")
    return [row["state"] for rows in found.json() for row in rows if row["state"] not in ("unknown", "unavailable")]


# --- InfluxDB


def test_influxdb_is_read_back_with_its_types(influxdb: InfluxDBServer, influx_database: str) -> None:
    lines = (
        'state,area=kitchen\\ sink,entity=a f=5,i=9223372036854775807i,b=true,s="5\\n\\"ö\\"" ' + f"{NANOSECONDS}\n"
        f"state,entity=a f=0.1 {NANOSECONDS}\n"
        f"state,entity=a f=5e-324 {NANOSECONDS + 1}\n"
        f'other\\ "m",k=v only="" -1\n'
        f"future f=-0.0 {4_000_000_000_000_000_000}\n"
    )
    assert influxdb.write(influx_database, lines).status == 204
    content = influxdb.read_back(influx_database)
    kitchen = ("state", frozenset({("area", "kitchen sink"), ("entity", "a")}), NANOSECONDS)
    assert content == {
        kitchen: {"f": 5.0, "i": 2**63 - 1, "b": True, "s": '5\\n"ö"'},
        ("state", frozenset({("entity", "a")}), NANOSECONDS): {"f": 0.1},
        ("state", frozenset({("entity", "a")}), NANOSECONDS + 1): {"f": 5e-324},
        ('other "m"', frozenset({("k", "v")}), -1): {"only": ""},
        ("future", frozenset(), 4_000_000_000_000_000_000): {"f": 0.0},
    }
    assert {name: type(value) for name, value in content[kitchen].items()} == {
        "f": float,
        "i": int,
        "b": bool,
        "s": str,
    }


def test_influxdb_is_read_back_completely(influxdb: InfluxDBServer, influx_database: str) -> None:
    count = 25_000  # More than two chunks.
    assert influxdb.write(influx_database, "\n".join(f"m v={n}i {NANOSECONDS + n}" for n in range(count))).status == 204
    content = influxdb.read_back(influx_database)
    assert len(content) == count
    assert sorted(fields["v"] for fields in content.values()) == list(range(count))


def test_influxdb_with_a_field_of_two_types_is_not_read_back_wrongly(
    influxdb: InfluxDBServer, influx_database: str
) -> None:
    weeks = 30 * 24 * 3600 * 10**9  # Another shard, where the field may have another type.
    assert influxdb.write(influx_database, f"m v=1 {NANOSECONDS}\nm v=1i {NANOSECONDS + weeks}").status == 204
    with pytest.raises(ServerError, match="two types"):
        influxdb.read_back(influx_database)


def test_influxdb_gives_each_test_an_empty_database(influxdb: InfluxDBServer, influx_database: str) -> None:
    assert influxdb.read_back(influx_database) == {}
    with pytest.raises(ServerError, match="database not found"):
        influxdb.read_back("never made")


def test_influxdb_says_what_it_refuses(influxdb: InfluxDBServer, influx_database: str) -> None:
    with pytest.raises(ServerError, match="error parsing query"):
        influxdb.query("SELECT", influx_database)
    assert influxdb.write("never made", "m v=1").status == 404


def test_influxdb_comes_back_with_its_data(influxdb_factory: Callable[..., InfluxDBServer]) -> None:
    server = influxdb_factory()
    server.create_database("home")
    assert server.write("home", f"m v=1 {NANOSECONDS}").status == 204
    server.kill()
    assert not server.running
    assert server.write("home", f"m v=2 {NANOSECONDS}").status == 0
    server.start()
    assert server.read_back("home") == {("m", frozenset(), NANOSECONDS): {"v": 1.0}}
    server.restart()
    assert server.read_back("home") == {("m", frozenset(), NANOSECONDS): {"v": 1.0}}


def test_influxdb_with_authentication_lets_only_its_token_in(influxdb_factory: Callable[..., InfluxDBServer]) -> None:
    server = influxdb_factory(auth_enabled=True)
    server.create_database("home")
    assert server.write("home", f"m v=1 {NANOSECONDS}").status == 204
    assert len(server.read_back("home")) == 1
    for wrong in ({}, {"Authorization": "Token homeiq:wrong"}):
        url = f"{server.url}/api/v2/write?bucket=home"
        assert request("POST", url, body="m v=1", headers=wrong).status == 401
    server.restart()
    assert len(server.read_back("home")) == 1


# --- Processes, ports and installations


def test_ports_are_free_and_given_once() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == len(ports)
    assert all(1024 <= port < 32_768 for port in ports)


def test_a_server_that_ends_while_starting_is_told_with_its_log(tmp_path: Path) -> None:
    process = ServerProcess("thing", tmp_path / "log")
    with pytest.raises(ServerError, match=r"ended while starting(.|\n)*no such port"):
        process.start([sys.executable, "-c", "print('no such port')"], ready=lambda: False, within=30)


def test_a_server_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    process = ServerProcess("thing", tmp_path / "log")
    with pytest.raises(ServerError, match="not ready within"):
        process.start(["sleep", "600"], ready=lambda: False, within=0.2)
    assert not process.running


def test_a_server_ends_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    script = f"""
        import os, signal
        from pathlib import Path
        from servers.process import ServerProcess
        server = ServerProcess("thing", Path({str(tmp_path / "log")!r}))
        server.start(["sleep", "600"], ready=lambda: True, within=5)
        print(server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    _until(lambda: not _is_alive(int(done.stdout)))


def test_an_installation_is_complete_only_once_its_marker_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMEIQ_TEST_SERVERS", str(tmp_path))
    thing = Installation("thing", {"version": "1"}, "program")
    assert not thing.complete
    with pytest.raises(KeyboardInterrupt), thing.renewed() as folder:  # noqa: PT012
        (folder / "program").touch()
        (folder / "half").touch()
        raise KeyboardInterrupt
    assert not thing.complete
    with thing.locked(), thing.renewed() as folder:
        assert list(folder.iterdir()) == []
        (folder / "program").touch()
    assert thing.complete
    assert not Installation("thing", {"version": "2"}, "program").complete
    thing.path.unlink()
    assert not thing.complete


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(condition: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.05)
