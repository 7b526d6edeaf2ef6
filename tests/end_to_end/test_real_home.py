"""A real, busy Home Assistant, recorded and projected into a real InfluxDB that dies halfway."""

import asyncio
import collections
import re
import sys
import threading
from pathlib import Path

import pytest

from end_to_end.busy import Subscriber, busy, hear
from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import InfluxDBServer
from servers.line_protocol import parse
from servers.terminal import Terminal

SECONDS = 30.0
REMOVED = 20


@pytest.mark.timeout(240)
def test_recorded_once_verbatim_and_projected_exactly(
    home_assistant: HomeAssistantServer, influxdb_factory, tmp_path: Path
) -> None:
    influxdb: InfluxDBServer = influxdb_factory()
    database = influxdb.create_database("home_assistant_events")
    with Homeiq(
        tmp_path,
        HOME_ASSISTANT_URL=home_assistant.url,
        HOME_ASSISTANT_TOKEN=home_assistant.token,
        INFLUXDB_URL=influxdb.url,
        INFLUXDB_TOKEN="any",
        INFLUXDB_BUCKET=database,
    ) as homeiq:
        process = homeiq.start("run")
        wait_for("the recorder to be connected", homeiq.connected)
        assert "connected since 20" in homeiq.run("status").stdout
        subscriber = Subscriber()
        replayed = []

        def interfere() -> None:
            """Kill InfluxDB halfway, start it again 10 s later; and ask for a replay while the follower writes.

            Before that, entities come and go, whose words are no ASCII.
            """
            for number in range(REMOVED):
                home_assistant.set_state(f"sensor.made_up_{number}", "٣ °é🏠", {"ключ": f"значение {number}"})
                home_assistant.delete_state(f"sensor.made_up_{number}")
            influxdb.kill()
            threading.Event().wait(10)
            influxdb.start()
            command = [sys.executable, "-m", "homeiq", "replay", "--since", "2d"]
            with Terminal(command, homeiq.environment | {"TERM": "xterm", "COLUMNS": "200"}, homeiq.folder) as terminal:
                assert terminal.ended(120) == 0
                replayed.append(terminal.shown)

        interference = threading.Thread(target=interfere)

        async def load() -> int:
            started = asyncio.Event()
            hearing = asyncio.create_task(hear(home_assistant, subscriber, started))
            await started.wait()
            halfway = asyncio.get_running_loop().call_later(SECONDS / 3, interference.start)
            calls = await busy(home_assistant, SECONDS)
            halfway.cancel()
            while True:  # until everything that is under way has arrived
                heard = len(subscriber.texts)
                await asyncio.sleep(2)
                if len(subscriber.texts) == heard:
                    break
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            return calls

        asyncio.run(load())
        interference.join()
        assert homeiq.stop(process) == 0

        rate = len(subscriber.texts) / SECONDS
        assert rate > 500, f"only {rate:.0f} events/s: not the load that is to be shown"
        rows = homeiq.sql("SELECT raw FROM events WHERE origin = 'live' AND source = 'home_assistant'")
        recorded = collections.Counter(row["raw"] for row in rows)
        heard = collections.Counter(subscriber.texts)
        assert {text: recorded[text] for text in heard} == dict(heard), "each event once, byte for byte"

        assert re.search(r"replayed [\d,]+ .*/s.* windows", replayed[0]), "its progress is shown"
        assert "by the running follower" in replayed[0]
        output = homeiq.run("replay", "--output", "-").stdout
        wanted = parse(output)
        assert influxdb.read_back(database) == wanted
        live = homeiq.sql("SELECT entity_id, epoch_us(time) AS at FROM events WHERE event_type = 'state_changed'")
        states = {key: fields for key, fields in wanted.items() if key[0] == "home_assistant_events"}
        made = collections.Counter(
            (dict(tags)["entity_id"], time // 1000)
            for (_, tags, time), fields in states.items()
            if fields["origin"] == "live"
        )
        assert sum(fields["removed"] for fields in states.values()) == REMOVED
        assert {fields["state"] for fields in states.values() if "attr_ключ_str" in fields} == {"٣ °é🏠"}
        assert made == collections.Counter((row["entity_id"], row["at"]) for row in live), (
            "each gives exactly one point"
        )


def test_one_line_for_a_change_of_state(home_assistant_factory, tmp_path: Path) -> None:
    server: HomeAssistantServer = home_assistant_factory()
    with Homeiq(tmp_path, HOME_ASSISTANT_URL=server.url, HOME_ASSISTANT_TOKEN=server.token) as homeiq:
        process = homeiq.start("record")
        wait_for("the recorder to be connected", lambda: "connected to Home Assistant 2024.3.3, 1" in homeiq.said())
        server.stop()
        wait_for("the recorder to say so", lambda: "not connected to Home Assistant: " in homeiq.said())
        assert not homeiq.connected()
        server.start()
        wait_for(
            "the recorder to come back", lambda: homeiq.said().count(" connected to Home Assistant 2024.3.3") == 2, 90
        )
        assert homeiq.connected()
        assert homeiq.stop(process) == 0
        types = [
            row["event_type"]
            for row in homeiq.sql("SELECT event_type FROM events WHERE event_type LIKE 'homeiq_%' ORDER BY seq")
        ]
        assert types[0] == "homeiq_started"
        assert types[-1] == "homeiq_stopped"
        assert types.count("homeiq_connected") == 2
