"""A recorder that is killed, and `homeiq gaps` and `homeiq backfill` with and without one, as a user has them."""

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from end_to_end.recorders import gaps, rows
from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for


def listed(homeiq: Homeiq, *arguments: str) -> dict[str, Any]:
    return json.loads(homeiq.run("gaps", "--json", *arguments).stdout)  # type: ignore[no-any-return]


def alone(homeiq: Homeiq) -> dict[str, Any]:
    """Fetch without a recorder."""
    return json.loads(homeiq.run("backfill", "--since", "5m", "--json").stdout)  # type: ignore[no-any-return]


def committed(server: HomeAssistantServer, state: str) -> bool:
    """Tell whether Home Assistant has written a state of sensor.killed into its database."""
    sql = (
        "SELECT 1 FROM states JOIN states_meta USING (metadata_id)"
        " WHERE states_meta.entity_id = 'sensor.killed' AND state = ?"
    )
    with closing(sqlite3.connect(f"file:{server.config_dir}/home-assistant_v2.db?mode=ro", uri=True)) as database:
        return database.execute(sql, (state,)).fetchone() is not None


@pytest.mark.timeout(240)
def test_killed_and_closed(home_assistant_factory, tmp_path: Path) -> None:
    server: HomeAssistantServer = home_assistant_factory(commit_interval=1)
    with Homeiq(
        tmp_path,
        HOME_ASSISTANT_URL=server.url,
        HOME_ASSISTANT_TOKEN=server.token,
        HOMEIQ_RECORDING__HEARTBEAT_SECONDS="0.5",
        HOMEIQ_RECORDING__GROUP_SECONDS="0.1",
    ) as homeiq:
        folder = homeiq.data_dir
        process = homeiq.start("record")
        wait_for("the recorder to be connected", homeiq.connected)
        server.set_state("sensor.killed", "1")
        wait_for("it to be recorded", lambda: rows(folder, "SELECT 1 FROM events WHERE entity_id = 'sensor.killed'"))
        assert listed(homeiq) == {"gaps": [], "totals": []}
        process.kill()
        process.wait()
        (last,) = rows(folder, "SELECT received_at AS at FROM events ORDER BY seq DESC LIMIT 1")
        server.set_state("sensor.killed", "2")
        server.set_state("sensor.killed", "3")
        wait_for("Home Assistant's commit", lambda: committed(server, "3"))
        assert alone(homeiq)["rows"] >= 2
        again = alone(homeiq)
        assert again["rows"] == 0 < again["known"], "the same again adds nothing"
        states = rows(folder, "SELECT state, origin FROM states WHERE entity_id = 'sensor.killed' ORDER BY time")
        assert [tuple(row.values()) for row in states] == [("1", "live"), ("2", "backfill"), ("3", "backfill")]
        (home,), (recorder,) = gaps(folder), gaps(folder, "recorder")
        assert home["reason"] == recorder["reason"] == "recorder_killed"
        assert home["end"] is recorder["end"] is None
        assert "lasts" in homeiq.run("gaps").stdout

        server.set_state("sensor.killed", "4")
        process = homeiq.start("record")
        wait_for("the recorder to be connected again", homeiq.connected)
        wait_for("the gap to be closed", lambda: gaps(folder)[0]["closed"], 60)
        (home,), (recorder,) = gaps(folder), gaps(folder, "recorder")
        assert home["start"] == recorder["start"] == last["at"], "the last record before the kill"
        assert home["end"] > recorder["end"]
        assert home["seconds"] == pytest.approx((home["end"] - home["start"]).total_seconds(), abs=0.01)
        assert home["missing"].split(", ")[0] == "events"
        states = rows(folder, "SELECT state FROM states WHERE entity_id = 'sensor.killed' ORDER BY time")
        assert [row["state"] for row in states] == ["1", "2", "3", "4"], "none twice"
        human = homeiq.run("gaps", "--since", "1h").stdout
        assert "the recorder ended" in human
        assert "home_assistant: 1 gap, " in human
        assert human.rstrip().splitlines()[-2].endswith("in all, 1 closed")
        said = homeiq.run("backfill", "--since", "5m").stdout
        assert "recorded 0 states from the history" in said
        assert "events other than states" in said
        assert homeiq.stop(process) == 0
    assert "Traceback" not in homeiq.said()


def test_wrong_use(tmp_path: Path) -> None:
    with Homeiq(tmp_path, HOME_ASSISTANT_URL="http://127.0.0.1:9", HOME_ASSISTANT_TOKEN="x") as homeiq:
        assert "there is no log" in homeiq.run("gaps", check=False).stderr
        process = homeiq.start("record")
        wait_for("the gap", lambda: homeiq.ask("position") and gaps(homeiq.data_dir))
        refused = homeiq.run("backfill", "--since", "1h", check=False)
        assert (refused.returncode, "home_assistant is not connected" in refused.stderr) == (1, True)
        assert listed(homeiq, "--source", "home_assistant")["gaps"][0]["reason"] == "connection_refused"
        assert homeiq.stop(process, signal.SIGINT) == 0
        refused = homeiq.run("backfill", "--since", "1h", check=False)
        assert (refused.returncode, "cannot be reached" in refused.stderr) == (1, True)
        future = homeiq.run("backfill", "--since", "2100-01-01", check=False)
        assert (future.returncode, "in the future" in future.stderr) == (2, True)
        assert homeiq.run("gaps", "--source", "weather").stdout == "no gap of weather is known\n"
