"""docs/measurements.md names every measurement, tag and field that is written, with its type, and no other."""

import re
from pathlib import Path

import pytest
from homeiq.replayer.home import HOME_TYPES, Home
from homeiq.replayer.normalizers.base import Normalizer, Reason, SetAside, Summarizer
from homeiq.replayer.normalizers.registry import golden_records, normalizers
from homeiq.replayer.point import Point
from homeiq.storage.measurement_views import KNOWN

from replayer.making import config, numbered, state

TEXT = (Path(__file__).parents[3] / "docs" / "measurements.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
KINDS = {float: "float", str: "string", bool: "boolean", int: "integer"}

shipped = [normalizer for normalizer in normalizers() if type(normalizer).__module__.startswith("homeiq.")]


def documented(measurement: str) -> dict[str, str]:
    """Return each name of a section's table, and whether it is a tag or of which type a field is."""
    rows = re.findall(r"^\| (`.*?) \| (\w+) \|", SECTIONS[measurement], re.MULTILINE)
    return {name: kind for names, kind in rows for name in re.findall(r"`([^`]+)`", names)}


def golden_points(normalizer: Normalizer) -> list[Point]:
    """Return the points of a normalizer's golden records, each record by itself."""
    home = Home()
    records = golden_records(normalizer)
    home.learn_all(record for record in records if record.event_type in HOME_TYPES)
    made: list[Point] = []
    fold = normalizer.fold() if isinstance(normalizer, Summarizer) else None
    for record in filter(normalizer.wants, records):
        view = home.at(record.time)
        try:
            if fold is not None and isinstance(normalizer, Summarizer):
                made += fold.step(normalizer.readings(record, view), view.zone)
            else:
                made += normalizer.normalize(record, view)
        except SetAside:
            continue
    return made


def written(points: list[Point]) -> dict[str, dict[str, str]]:
    """Return the names in these points by measurement, each a tag or a field of a type."""
    found: dict[str, dict[str, str]] = {}
    for point in points:
        names = found.setdefault(point.series.measurement, {})
        names |= dict.fromkeys(point.series.tags, "tag")
        names |= {name: KINDS[type(value)] for name, value in point.fields.items() if not name.startswith("attr_")}
    return found


@pytest.mark.parametrize(
    "normalizer",
    [normalizer for normalizer in shipped if normalizer.name != "coverage"],  # told in a sentence
    ids=lambda normalizer: normalizer.name,
)
def test_tags_and_fields_are_documented_and_nothing_else_is(normalizer: Normalizer) -> None:
    for measurement, names in written(golden_points(normalizer)).items():
        told = documented(measurement)
        assert names.items() <= told.items(), measurement
        if normalizer.name not in ("home_assistant", "smart_meter"):  # whose golden records do not have every field
            assert names == told, measurement


def test_each_measurement_has_a_section() -> None:
    measurements = {name for normalizer in shipped for name in normalizer.measurements}
    reserved = {"homeiq_coverage", "homeiq_target"}
    assert set(SECTIONS) - reserved == measurements - reserved


def test_the_typed_views_have_what_is_documented() -> None:
    for measurement, names in KNOWN.items():
        if measurement != "homeiq_coverage":  # told in a sentence
            told = {name: kind for name, kind in documented(measurement).items() if "…" not in name}
            assert names == told, measurement
    assert KNOWN.keys() == SECTIONS.keys() - {"homeiq_target"}


def test_reasons_are_in_their_own_words() -> None:
    told = set(re.findall(r"^\| (.*?) \| ", TEXT.partition("## home_assistant_events")[0], re.MULTILINE))
    assert told - {"reason", "---"} <= {reason.value for reason in Reason}


def test_the_types_of_attributes_are_as_documented() -> None:
    (home_assistant,) = (normalizer for normalizer in shipped if normalizer.name == "home_assistant")
    home = Home()
    home.learn_all(numbered([config(0)]))
    attributes = {"a": 1, "b": "x", "c": True, "d": [1]}
    (point,) = home_assistant.normalize(numbered([state("sensor.a", "1", 1, attributes=attributes)])[0], home.at(1))
    assert {name: KINDS[type(value)] for name, value in point.fields.items() if name.startswith("attr_")} == {
        **{"attr_a": "float", "attr_b_str": "string", "attr_c_bool": "boolean", "attr_d_json": "string"},
    }
