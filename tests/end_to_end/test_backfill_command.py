"""A recorder that is killed, and `homeiq gaps` and `homeiq backfill` with and without one, as a user has them."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for


def listed(homeiq: Homeiq, *arguments: str) -> dict[str, Any]:
    return json.loads(homeiq.run("gaps", "--json", *arguments).stdout)  # type: ignore[no-any-return]


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
        process = homeiq.start("record")
        wait_for("the recorder to be connected", homeiq.connected)
        server.set_state("sensor.killed", "1")
        wait_for(
            "it to be recorded", lambda: homeiq.sql("SELECT 1 AS one FROM events WHERE entity_id = 'sensor.killed'")
        )
        assert listed(homeiq) == {"gaps": [], "totals": []}
        process.kill()
        process.wait()
        (last,) = homeiq.sql("SELECT epoch_us(received_at) AS at FROM events ORDER BY seq DESC LIMIT 1")
        server.set_state("sensor.killed", "2")
        server.set_state("sensor.killed", "3")
        assert alone(homeiq)["rows"] > 0
        wait_for("Home Assistant's commit, and that the same again adds nothing", lambda: alone(homeiq)["rows"] == 0)
        states = homeiq.sql("SELECT state, origin FROM states WHERE entity_id = 'sensor.killed' ORDER BY time")
        assert [tuple(row.values()) for row in states] == [("1", "live"), ("2", "backfill"), ("3", "backfill")]
        (home, recorder) = listed(homeiq)["gaps"]
        assert (home["source"], recorder["source"]) == ("home_assistant", "recorder")
        assert home["reason"] == recorder["reason"] == "recorder_killed"
        assert home["end"] is None
        assert "lasts" in homeiq.run("gaps").stdout

        server.set_state("sensor.killed", "4")
        process = homeiq.start("record")
        wait_for("the recorder to be connected again", homeiq.connected)
        wait_for("the gap to be closed", lambda: listed(homeiq)["totals"][0]["closed"] == 1)
        (home,) = listed(homeiq, "--source", "home_assistant", "--since", "1h")["gaps"]
        sql = "SELECT epoch_us(start) AS start, epoch_us(\"end\") AS until, seconds FROM gaps WHERE source = '{}'"
        (home_gap,), (recorder_gap,) = (homeiq.sql(sql.format(name)) for name in ("home_assistant", "recorder"))
        assert home_gap["start"] == recorder_gap["start"] == last["at"], "the last record before the kill"
        assert home_gap["until"] > recorder_gap["until"]
        assert home_gap["seconds"] == pytest.approx((home_gap["until"] - home_gap["start"]) / 1e6, abs=0.01)
        assert home["missing"].split(", ")[0] == "events"
        human = homeiq.run("gaps").stdout
        assert "the recorder ended" in human
        assert "home_assistant: 1 gap, " in human
        assert human.rstrip().splitlines()[-2].endswith("in all, 1 closed")

        states = homeiq.sql("SELECT state, origin FROM states WHERE entity_id = 'sensor.killed' ORDER BY time")
        assert [row["state"] for row in states if row["origin"] != "snapshot"] == ["1", "2", "3", "4"]
        said = homeiq.run("backfill", "--since", "1h")
        assert "recorded 0 states from the history" in said.stdout
        assert "events other than states" in said.stdout
        assert homeiq.stop(process) == 0
        coverage = homeiq.run("backfill", "--since", "2h", "--until", "1h")
        assert "recorded 0 states" in coverage.stdout
    assert "Traceback" not in homeiq.said()


def alone(homeiq: Homeiq) -> dict[str, Any]:
    """Fetch without a recorder."""
    return json.loads(homeiq.run("backfill", "--since", "10m", "--json").stdout)  # type: ignore[no-any-return]


def test_wrong_use(tmp_path: Path) -> None:
    with Homeiq(tmp_path, HOME_ASSISTANT_URL="http://127.0.0.1:9", HOME_ASSISTANT_TOKEN="x") as homeiq:
        assert "there is no log" in homeiq.run("gaps", check=False).stderr
        assert homeiq.run("backfill", check=False).returncode == 2
        process = homeiq.start("record")
        wait_for("the recorder", lambda: homeiq.ask("position"))
        refused = homeiq.run("backfill", "--since", "1h", check=False)
        assert (refused.returncode, "home_assistant is not connected" in refused.stderr) == (1, True)
        wait_for("the gap", lambda: listed(homeiq)["gaps"])
        assert listed(homeiq)["gaps"][0]["reason"] == "connection_refused"
        assert homeiq.stop(process, signal.SIGINT) == 0
        refused = homeiq.run("backfill", "--since", "1h", check=False)
        assert (refused.returncode, "cannot be reached" in refused.stderr) == (1, True)
        future = homeiq.run("backfill", "--since", "2100-01-01", check=False)
        assert (future.returncode, "in the future" in future.stderr) == (2, True)
        nothing = homeiq.run("gaps", "--source", "weather").stdout
        assert nothing == "no gap of weather is known\n"
