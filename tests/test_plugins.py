"""The plug-in of docs/plugins.md, installed as it stands there, and what happens when a plug-in is broken."""

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.homeiq import Homeiq, wait_for
from servers.service import Asked, Reply, Service, serving

ROOT = Path(__file__).parent.parent
KEY = "the-key-of-the-harbour"


def example() -> dict[str, str]:
    """Return the example's files."""
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL))
    return {"homeiq_tides.py": blocks["python"], "pyproject.toml": blocks["toml"]}


def installed(folder: Path, files: dict[str, str]) -> Path:
    """Install a package into a folder of its own, as pip would, but without a network; return that folder."""
    import tomllib

    project = tomllib.loads(files["pyproject.toml"])
    target = folder / "site"
    target.mkdir()
    for module in project["tool"]["setuptools"]["py-modules"]:
        (target / f"{module}.py").write_text(files[f"{module}.py"])
    info = target / f"{project['project']['name'].replace('-', '_')}-{project['project']['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['project']['name']}\nVersion: 1.0\n")
    groups = project["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {at}\n" for key, at in entries.items()) for group, entries in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return target


def answers(asked: Asked) -> Reply:
    return Reply({"level": 3.25} if asked.headers.get("x-key") == KEY else {"error": KEY}, 200)


@pytest.fixture
def harbour() -> Iterator[Service]:
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()
    found: list[Service] = []

    async def serve() -> None:
        async with serving(answers) as running:
            found.append(running)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_the_example_is_short() -> None:
    lines = [line for text in example().values() for line in text.splitlines() if line.strip()]
    assert len(lines) < 60, len(lines)


def test_the_example_from_record_to_replay(harbour: Service, tmp_path: Path) -> None:
    site = installed(tmp_path, example())
    (tmp_path / "homeiq.yaml").write_text(f"tides: {{provider: harbour, station: cuxhaven, url: {harbour.url}}}\n")
    with Homeiq(tmp_path, PYTHONPATH=str(site), HOMEIQ_TIDES__API_KEY=KEY) as homeiq:
        process = homeiq.start("record")
        wait_for("a poll", lambda: "tides (harbour) answers, and is asked each 10 min" in homeiq.said(), 60)
        assert homeiq.stop(process) == 0
        (asked,) = harbour.asked
        assert (asked.path, asked.query) == ("/v1/tide", {"station": "cuxhaven"})
        lines = homeiq.run("replay", "--output", "-").stdout.splitlines()
        (line,) = [line for line in lines if line.startswith("tides,")]
        assert re.fullmatch(r'tides,station=cuxhaven origin="live",level_m=3.25 \d{19}', line)
        assert KEY not in str(homeiq.sql("SELECT raw FROM events"))
        refused = homeiq.run("record", check=False, HOMEIQ_TIDES__STATON="x")
        assert refused.returncode == 2
        assert "HOMEIQ_TIDES__STATON is not a setting: did you mean HOMEIQ_TIDES__STATION?" in refused.stderr


def test_without_the_package_its_section_is_unknown(tmp_path: Path) -> None:
    with Homeiq(tmp_path, HOMEIQ_TIDES__PROVIDER="harbour") as homeiq:
        refused = homeiq.run("record", check=False)
        assert refused.returncode == 2
        assert "HOMEIQ_TIDES__PROVIDER is not a setting" in refused.stderr


STREAM = """
import asyncio
from homeiq.connectors.base import Connector, ConnectorSettings
from homeiq.storage.record import Event

class Settings(ConnectorSettings):
    words: str = ""

class Radio(Connector):
    name = "radio"
    title = "the radio"
    settings_model = Settings

    def __init__(self, settings, around):
        self.settings, self.around = settings, around

    async def listen(self, listener):
        listener.connected(words=self.settings.words)
        now = self.around.clock.now()
        listener.take(Event(now, now, "radio", "live", "heard", None, None, '{"words": 1}'))
        await asyncio.Event().wait()
"""


def package(name: str, target: str, code: str) -> dict[str, str]:
    return {
        "plugged.py": code,
        "pyproject.toml": (
            '[project]\nname = "plugged"\nversion = "1.0"\n[project.entry-points."homeiq.connectors"]\n'
            f'{name} = "{target}"\n'
            '[tool.setuptools]\npy-modules = ["plugged"]\n'
        ),
    }


def test_a_stream_can_be_plugged_in_too(tmp_path: Path) -> None:
    site = installed(tmp_path, package("radio", "plugged:Radio", STREAM))
    with Homeiq(tmp_path, PYTHONPATH=str(site), HOMEIQ_RADIO__WORDS="many") as homeiq:
        process = homeiq.start("record")
        wait_for("the radio", lambda: any(s["events"] for s in (homeiq.ask("status") or {"sources": []})["sources"]))
        assert homeiq.stop(process) == 0
        rows = homeiq.sql("SELECT event_type, raw FROM events WHERE source = 'radio' ORDER BY seq")
        assert [row["event_type"] for row in rows] == ["homeiq_connected", "heard", "homeiq_disconnected"]
        assert rows[0]["raw"] == '{"words":"many"}'


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("plugged:Radio", "raise RuntimeError('broken')", "the connector radio of a plug-in cannot be used (broken)"),
        ("plugged:nothing", STREAM, "the connector radio of a plug-in cannot be used"),
        ("plugged:Settings", STREAM, "plugged:Settings is no connector of that name"),
        ("none:Radio", STREAM, "No module named 'none'"),
        ("plugged:Radio", STREAM.replace("self.settings, self.around = settings, around", "1 / 0"), "division by zero"),
        ("plugged:Radio", STREAM.replace("async def listen", "async def hear"), "abstract"),
    ],
)
def test_a_broken_plug_in_is_said_and_recording_goes_on(tmp_path: Path, target: str, code: str, said: str) -> None:
    site = installed(tmp_path, package("radio", target, code))
    with Homeiq(tmp_path, PYTHONPATH=str(site), HOMEIQ_RADIO__WORDS="many") as homeiq:
        process = homeiq.start("record")
        wait_for("the recorder", lambda: homeiq.ask("status"))
        assert said in homeiq.said()
        assert "recording goes on without it" in homeiq.said()
        assert "Traceback" not in homeiq.said()
        assert homeiq.stop(process) == 0


def test_an_installed_plug_in_is_not_loaded_without_its_section(tmp_path: Path) -> None:
    site = installed(tmp_path, package("radio", "plugged:Radio", "raise RuntimeError('loaded')"))
    script = "from homeiq.commands.configuration import load_settings; load_settings()"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", script], env={"PYTHONPATH": str(site)}, cwd=tmp_path, check=True
    )
