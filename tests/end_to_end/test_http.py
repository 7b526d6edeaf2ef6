"""HTTP of a real recorder: what it acknowledges survives kill -9, it says truly how it is, and it keeps secrets."""

import asyncio
import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Record

from servers.homeiq import Homeiq, wait_for
from servers.influxdb2 import InfluxDB2
from servers.ports import free_port
from servers.simulated import SimulatedServer
from servers.web import request

CURL = (
    '{"event_type":"state_changed","entity_id":"sensor.x","new_state":{"state":"21.5","attributes":'
    '{"unit_of_measurement":"°C"}},"old_state":null}'
)
POSTERS = 200


def records_of(homeiq: Homeiq) -> list[Record]:
    return [record for some in LogReader(homeiq.data_dir).read() for record in some]


class Posters:
    """Post at once, each request with a mark of its own; every other one has a key."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, tuple[int, int]] = {}
        self.open: dict[str, str] = {}
        self.round = 0

    def body(self, mark: str) -> str:
        return "\n".join(f'{{"event_type":"x","mark":"{mark}","place":{place}}}' for place in range(1 + len(mark) % 3))

    async def post(self, session: aiohttp.ClientSession, mark: str, keyed: bool) -> None:
        body = self.body(mark)
        if keyed:
            self.open[mark] = body
        async with session.post("/events", data=body, headers={"Idempotency-Key": mark} if keyed else {}) as response:
            said = await response.json()
        if response.status == 201:
            self.acknowledged[mark] = (said["first_seq"], said["last_seq"])
            self.open.pop(mark, None)

    async def poster(self, session: aiohttp.ClientSession, number: int) -> None:
        for turn in range(100_000):
            await self.post(session, f"{self.round}-{number}-{turn}", keyed=bool(number % 2))

    async def run(self, url: str, seconds: float, kill: Any) -> None:
        self.round += 1
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(url, connector=connector) as session:
            tasks = [asyncio.create_task(self.poster(session, number)) for number in range(POSTERS)]
            await asyncio.sleep(seconds)
            kill()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(error, aiohttp.ClientError) for error in ended)

    async def again(self, url: str) -> int:
        """Post once more what has not been answered; return how much of it had been recorded all the same."""
        async with aiohttp.ClientSession(url) as session:
            waiting = dict(self.open)
            for mark in waiting:
                await self.post(session, mark, keyed=True)
        assert not self.open
        return len(waiting)


def test_every_201_of_200_posters_is_in_the_log_after_kill_9(tmp_path: Path) -> None:
    posters = Posters()
    with Homeiq(tmp_path, HOMEIQ_RECORDING__SEAL_RECORDS="2000") as homeiq:
        for seconds in (1.0, 1.7, 2.3):
            process = homeiq.start("record")
            asyncio.run(posters.run(homeiq.url(), seconds, process.kill))
            process.wait()
        process = homeiq.start("record")
        assert asyncio.run(posters.again(homeiq.url())) > 0, "somebody waited when it was killed"
        assert homeiq.stop(process) == 0
        records = records_of(homeiq)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert len(posters.acknowledged) > POSTERS
    found: dict[str, list[tuple[int, int]]] = {}
    for record in records:
        if record.event_type == "x":
            content = json.loads(record.raw)
            found.setdefault(content["mark"], []).append((content["place"], record.seq))
    for mark, (first, last) in posters.acknowledged.items():
        places = sorted(found[mark])
        count = posters.body(mark).count("\n") + 1
        assert [place for place, _ in places] == list(range(count)), "each event is there, and once"
        seqs = [seq for _, seq in places]
        assert (seqs[0], seqs[-1]) == (first, last)
    assert "Traceback" not in homeiq.said()


def test_the_old_services_curl_becomes_a_point(tmp_path: Path) -> None:
    with Homeiq(tmp_path) as homeiq:
        process = homeiq.start("run")
        url = homeiq.url()
        answer = request("POST", f"{url}/events", body=CURL, headers={"Content-Type": "application/json"})
        assert answer.status == 201
        seq = answer.json()["first_seq"]
        points = "FROM points WHERE measurement = 'home_assistant_events'"
        wait_for("the point", lambda: homeiq.sql(f"SELECT 1 {points}"), 60)
        (point,) = homeiq.sql(f"SELECT entity_id, fields->>'value' AS value, fields->>'origin' AS origin {points}")
        assert point == {"entity_id": "sensor.x", "value": "21.5", "origin": "manual"}
        (state,) = homeiq.sql("SELECT seq, state, value, attributes->>'unit_of_measurement' AS unit FROM states")
        assert state == {"seq": seq, "state": "21.5", "value": 21.5, "unit": "°C"}
        (event,) = homeiq.sql("SELECT source, origin, entity_id, raw FROM events WHERE event_type = 'state_changed'")
        assert event == {"source": "pushed", "origin": "manual", "entity_id": "sensor.x", "raw": CURL}
        ready = request("GET", f"{url}/ready")
        assert (ready.status, len(ready.json()["reasons"])) == (503, 1)
        assert "set home_assistant.url" in ready.body
        assert homeiq.stop(process) == 0


def test_ready_follows_home_assistant(tmp_path: Path) -> None:
    port = free_port()
    with Homeiq(
        tmp_path, HOME_ASSISTANT_URL=f"http://127.0.0.1:{port}", HOME_ASSISTANT_TOKEN="simulated-home"
    ) as homeiq:
        process = homeiq.start("record")
        url = homeiq.url()

        def is_ready() -> bool:
            return request("GET", f"{url}/ready").status == 200

        wait_for("it to be said", lambda: "cannot be reached" in request("GET", f"{url}/ready").body)
        with SimulatedServer(port=port, speed=600):
            wait_for("it to be ready", is_ready, 90)
            wait_for(
                "events", lambda: 'homeiq_events_total{origin="simulated"' in request("GET", f"{url}/metrics").body
            )
        wait_for("it to be not ready", lambda: not is_ready())
        (source,) = request("GET", f"{url}/status").json()["sources"]
        wait_for(
            "the gap", lambda: 'homeiq_gaps_total{source="home_assistant"} 1.0' in request("GET", f"{url}/metrics").body
        )
        assert (source["name"], source["connected"]) == ("home_assistant", False)
        assert homeiq.stop(process) == 0


def test_beyond_this_machine_only_with_a_token(tmp_path: Path) -> None:
    (tmp_path / "homeiq.yaml").write_text("http: {host: 0.0.0.0}\n")
    with Homeiq(tmp_path) as homeiq:
        for command in ("record", "run"):
            result = homeiq.run(command, check=False)
            assert result.returncode == 2
            assert "http.host 0.0.0.0 can be reached from other machines: set http.token" in result.stderr
        assert not homeiq.data_dir.exists(), "nothing was begun"
        homeiq.environment["HOMEIQ_HTTP__TOKEN"] = "door"
        process = homeiq.start("record")
        url = homeiq.url().replace("0.0.0.0", "127.0.0.1")
        assert request("GET", f"{url}/health").status == 200
        for path in ("/ready", "/status", "/metrics", "/live"):
            assert request("GET", url + path).status == 401
        assert request("GET", f"{url}/").status == 200, "the page holds no facts, and asks for the token"
        assert request("GET", f"{url}/status", headers={"Authorization": "Bearer door"}).status == 200
        assert request("POST", f"{url}/events", body=CURL).status == 401
        assert request("POST", f"{url}/events", body=CURL, headers={"Authorization": "Bearer door"}).status == 201
        assert homeiq.stop(process) == 0


def test_a_port_in_use_stops_no_recording(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with Homeiq(tmp_path, HOMEIQ_HTTP__PORT=str(port)) as homeiq:
            process = homeiq.start("record")
            status = wait_for("the problem", lambda: (s := homeiq.ask("status")) and s["http"]["problem"] and s)
            assert f"HTTP cannot listen on 127.0.0.1:{port} (it is in use)" in status["reasons"][1]
            assert status["ready"] is False
            other.close()
            url = homeiq.url()
            assert request("POST", f"{url}/events", body=CURL).status == 201
            assert homeiq.stop(process) == 0
            assert homeiq.said().count("cannot listen") == 1


def test_without_http_nothing_listens(tmp_path: Path) -> None:
    with Homeiq(tmp_path, HOMEIQ_HTTP__ENABLED="false") as homeiq:
        process = homeiq.start("record")
        status = wait_for("the recorder", lambda: homeiq.ask("status"))
        assert status["http"] == {"url": "", "problem": ""}
        assert homeiq.stop(process) == 0
        assert "listening on" not in homeiq.said()


def test_the_demo_takes_another_port_and_what_is_pushed_does_not_make_it_real(tmp_path: Path) -> None:
    with socket.socket() as other, Homeiq(tmp_path) as homeiq:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 8002))
            other.listen()
        except OSError:
            pass  # somebody else has it: that will do
        process = homeiq.start("demo")
        found = wait_for("its URL", lambda: re.search(r"listening on (http://127\.0\.0\.1:\d+)", homeiq.said()))
        assert not found[1].endswith(":8002")
        assert request("POST", f"{found[1]}/events", body=CURL, headers={"Idempotency-Key": "k"}).status == 201
        wait_for("it to be ready", lambda: request("GET", f"{found[1]}/ready").status == 200)
        wait_for("states", lambda: (homeiq.ask("position") or {"durable_seq": 0})["durable_seq"] > 100)
        assert homeiq.stop(process, signal.SIGINT) == 0
        assert homeiq.run("demo", "--seconds", "1").returncode == 0


@pytest.mark.parametrize("refused", [False, True])
def test_secrets_are_nowhere(tmp_path: Path, refused: bool) -> None:
    secrets = {name: f"S3CRET-{name}-7f3a" for name in ("home", "door", "influx", "wrong")}
    influx = InfluxDB2()
    home = SimulatedServer(speed=600, token=secrets["home"])
    settings = {
        "HOME_ASSISTANT_URL": home.url,
        "HOME_ASSISTANT_TOKEN": secrets["wrong" if refused else "home"],
        "HOMEIQ_HTTP__TOKEN": secrets["door"],
        "INFLUXDB_URL": influx.url if refused else f"http://127.0.0.1:{free_port()}",
        "INFLUXDB_TOKEN": secrets["influx"],
    }
    answers: list[str] = []

    def ask(method: str, path: str, token: str, **more: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        answers.append(request(method, homeiq.url() + path, headers=headers, **more).body)

    try:
        with Homeiq(tmp_path, **settings) as homeiq:
            process = homeiq.start("-v", "run")
            wait_for("the home", lambda: "refuses the token" in homeiq.said() if refused else homeiq.connected())
            for token in (secrets["door"], secrets["wrong"]):
                for path in ("/", "/health", "/ready", "/status", "/metrics", "/nowhere"):
                    ask("GET", path, token)
                for body in (CURL, '{"event_type":7}', "nonsense", "[" * 5_000):
                    ask("POST", "/events", token, body=body)
            port = int(homeiq.url().rpartition(":")[2])
            for broken in (f"GET /{secrets['door']} HTTP/9\r\n\r\n", f"X-A\x01: {secrets['door']}\r\n\r\n"):
                with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                    connection.sendall(broken.encode())
                    connection.recv(1000)  # what is no HTTP is quoted to the one who sent it, and to nobody else
            wait_for("InfluxDB to be tried", lambda: "InfluxDB" in homeiq.said() or "influxdb" in homeiq.said())
            answers.append(json.dumps(homeiq.ask("status")))
            assert homeiq.stop(process, seconds=90) == 0
            written = [(path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()]
            raws = [f"{record}" for record in records_of(homeiq)]
    finally:
        influx.close()
        home.kill()
    assert sum('"first_seq"' in answer for answer in answers) == 1
    assert {path.name for path, _ in written} >= {"said.log", "recorder.sqlite", "ledger.sqlite"}
    assert len(raws) > 2
    for name, secret in secrets.items():
        assert not [answer for answer in answers if secret in answer], name
        assert not [path for path, content in written if secret.encode() in content], name
        assert not [raw for raw in raws if secret in raw], name
