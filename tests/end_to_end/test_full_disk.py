"""A recorder whose disk is really full: it says so, loses nothing that it acknowledged, and goes on once there is room."""

from pathlib import Path

import pytest

from servers.simulated import SimulatedServer
from storage.small_disk import on_a_small_disk

SCRIPT = """
import json, os, sys
from pathlib import Path

sys.path[:0] = [{tests!r}, {packaging!r}]
from servers.homeiq import Homeiq, wait_for
from servers.web import request

disk = Path(sys.argv[1])
told = []

def post(url, number):
    event = {{"event_type": "filler", "number": number, "text": os.urandom(30_000).hex()}}
    answer = request("POST", url + "/events", body=event)
    if answer.status == 201:
        told.append(number)
    return answer

def reasons(url):
    answer = request("GET", url + "/ready")
    return answer.status, " ".join(answer.json()["reasons"])

with Homeiq(
    disk,
    HOME_ASSISTANT_URL={url!r},
    HOME_ASSISTANT_TOKEN={token!r},
    HOMEIQ_RECORDING__RESERVE_BYTES="1000000",
    HOMEIQ_RECORDING__BUFFER_BYTES="2000000",
    HOMEIQ_RECORDING__GROUP_SECONDS="0.1",
) as homeiq:
    process = homeiq.start("record")
    url = homeiq.url()
    wait_for("Home Assistant", homeiq.connected)
    assert post(url, 0).status == 201
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - 1_000_000))
    number = 1
    while (answer := post(url, number)).status == 201:
        number += 1
    assert answer.status == 503, (answer.status, answer.body)
    assert "disk" in answer.body, answer.body
    assert request("GET", url + "/health").status == 200
    status, why = reasons(url)
    assert status == 503 and "disk full" in why, why
    wait_for("events that had to be dropped", lambda: homeiq.ask("status")["dropped"])
    assert post(url, number + 1).status == 503
    (disk / "ballast").unlink()
    wait_for("room to be used", lambda: post(url, number + 2).status == 201)
    wait_for("it to be ready again", lambda: reasons(url)[0] == 200)
    assert homeiq.stop(process) == 0
    found = [int(row["n"]) for row in homeiq.sql(
        "SELECT json_extract_string(raw, '$.number') AS n FROM events WHERE event_type = 'filler' ORDER BY seq")]
    assert set(told) <= set(found) and len(found) == len(set(found)), (told, found)
    gaps = json.loads(homeiq.run("gaps", "--json").stdout)
    assert "disk" in json.dumps(gaps), gaps
    verified = json.loads(homeiq.run("verify", "--json").stdout)
    assert verified["findings"] == [], verified
    assert "Traceback" not in homeiq.said()
print("whole")
"""


@pytest.mark.timeout(240)
def test_a_recorder_on_a_full_disk_asked_over_http(tmp_path: Path) -> None:
    with SimulatedServer(speed=1_000.0) as home:
        tests = Path(__file__).parents[1]
        packaging = str(tests.parent / "packaging")
        script = SCRIPT.format(tests=str(tests), packaging=packaging, url=home.url, token=home.token)
        assert on_a_small_disk(tmp_path, script, 16) == "whole\n"
