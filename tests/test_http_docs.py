"""docs/http.md names each endpoint, answer, setting, fact and metric, and none that is not there."""

import re
from pathlib import Path

from homeiq.recorder import endpoints, ingest
from homeiq.recorder.endpoints import ENDPOINTS
from homeiq.recorder.metrics import Metrics
from homeiq.recorder.schedule import PollState
from homeiq.settings import HttpSettings
from prometheus_client.parser import text_string_to_metric_families

from recorder.test_health import Made, event

TEXT = (Path(__file__).parent.parent / "docs" / "http.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    return TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def first_column(text: str) -> list[str]:
    return [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]


def named(text: str) -> set[str]:
    return {name for cell in first_column(text) for name in re.findall(r"`([^`]+)`", cell)}


def test_each_endpoint() -> None:
    assert named(TEXT.partition("## POST")[0]) == set(ENDPOINTS)


def test_each_metric(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.health.committed([event()], 0.1)
    families = text_string_to_metric_families(Metrics(made.health).text().decode())
    there = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    made.log.close()
    assert named(section("Metrics")) == there


def test_each_fact_of_the_status(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.health.committed([event()], 0.1)
    made.health.sources = [PollState("weather")]
    status = made.health.status()
    made.log.close()
    there = {*status, *status["sources"][0], *status["disk"], *status["http"], *status["events"][0]}
    there |= {*status["last_event"]["home_assistant"]}
    assert set(re.findall(r"`(\w+)`", section("/status"))) == there - {"count"}


def test_each_setting_with_its_default() -> None:
    rows = {
        line.split("|")[1].strip(" `"): line.split("|")[2].strip()
        for line in TEXT.splitlines()
        if line.startswith("| `http.")
    }
    assert {name.removeprefix("http.") for name in rows} == set(HttpSettings.model_fields)
    defaults = HttpSettings()
    for name in ("enabled", "host", "port", "max_body_bytes"):
        assert rows[f"http.{name}"] == str(getattr(defaults, name)).replace("True", "true")


def test_each_status() -> None:
    sources = "".join(Path(module.__file__).read_text() for module in (endpoints, ingest))
    used = set(re.findall(r"(?:_refuse|answer)\((\d{3})\b", sources)) | {"404", "405"}
    said = {number for cell in first_column(section("POST /events")) for number in re.findall(r"\d{3}", cell)}
    assert used - {"200", "500"} == said
