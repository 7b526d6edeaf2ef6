"""A typed view for each measurement of the embedded target: `points_<measurement>`, its tags and fields as columns.

Imports duckdb. What a measurement is known to have is there from the beginning; what its points have besides, such as the
fields of attributes, is looked up where a query names it. A field that is a number is DOUBLE, true and false are BOOLEAN,
all else is VARCHAR. Left to the view `points` are names that a column or a path of DuckDB's can't have: one that is a tag's
too, one that differs from another only in upper and lower case, and one with a quotation mark or a backslash in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import duckdb

from .views import quoted

__all__ = ["KNOWN", "PREFIX", "make_measurement_views"]

PREFIX: Final = "points_"

_TYPES: Final = {"float": "DOUBLE", "integer": "DOUBLE", "boolean": "BOOLEAN", "string": "VARCHAR"}


def _named(**names: str) -> dict[str, str]:
    """Return the type of each name, in the order of the words: `string="a b"` → a and b are strings."""
    return {name: kind for kind, words in names.items() for name in words.split()}


KNOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "home_assistant_events": _named(
        tag="entity_id domain device_class entity_category device_id area_id integration event_type time_of_day",
        string="state old_state unit_of_measurement unit_of_measurement_raw friendly_name icon manufacturer model"
        " sw_version context_id context_parent_id context_user_id weather_condition origin",
        float="value duration_in_state_seconds weather_temp weather_humidity weather_pressure",
        boolean="available removed repeated",
    ),
    "smart_meter": _named(tag="meter_type", float="total_power_w daily_kwh", string="origin"),
    "smart_meter_circuit": _named(tag="meter_type circuit_name", float="power_w percentage daily_kwh", string="origin"),
    "weather": _named(tag="location", float="temperature humidity pressure wind_speed", string="condition origin"),
    "air_quality": _named(
        tag="location category", float="aqi european_aqi pm25 pm10 ozone pm25_aqi pm10_aqi ozone_aqi", string="origin"
    ),
    "electricity_pricing": _named(
        tag="provider currency", float="current_price", boolean="peak_period", string="origin"
    ),
    "electricity_pricing_forecast": _named(tag="provider currency", float="price", string="origin"),
    "carbon_intensity": _named(
        tag="region grid_operator",
        float="carbon_intensity_gco2_kwh renewable_percentage fossil_percentage forecast_1h forecast_24h percentile",
        string="origin",
    ),
    "occupancy_prediction": _named(
        tag="source user", boolean="currently_home wfh_today", float="confidence hours_until_arrival", string="origin"
    ),
    "home_assistant_statistics": _named(
        tag="statistic_id domain source",
        float="mean min max state sum",
        string="unit_of_measurement unit_of_measurement_raw origin",
    ),
    "homeiq_coverage": _named(tag="source", integer="connected", float="gap_seconds", string="gap_reason origin"),
}
"""Each measurement's tags and fields with their types, as docs/measurements.md has them."""

_FOUND: Final = """
SELECT pair.key AS name, list(DISTINCT pair.type) AS types
FROM points, json_each(fields) AS pair WHERE measurement = {measurement} GROUP BY pair.key ORDER BY 1
"""


def make_measurement_views(
    database: duckdb.DuckDBPyConnection, words: frozenset[str] | None = None, *, everything: bool = True
) -> None:
    """Make the views beside the view `points`; `words` are those of a query, which may mean one of them.

    What else is in the points of a measurement is looked up only where it is named: it takes a look at all of them. Without
    `everything` nothing is made where none is named.
    """
    named = any(word.startswith(PREFIX) for word in words or ())
    if not (everything or named):
        return
    wanted: dict[str, dict[str, str]] = {measurement: dict(names) for measurement, names in KNOWN.items()}
    columns = [name for name, *_ in database.execute("DESCRIBE points").fetchall()]
    tags = [name for name in columns if name not in ("measurement", "time", "fields")]
    for measurement, *there in database.execute(_tags_of(tags)).fetchall():
        names = wanted.setdefault(measurement, {})
        names |= {tag: "tag" for tag, count in zip(tags, there, strict=True) if count and tag not in names}
        if words and words.issuperset(re.findall(r"\w+", (PREFIX + measurement).lower())):
            found = database.execute(_FOUND.format(measurement=quoted(measurement))).fetchall()
            names |= {name: _kind(types) for name, types in found if name not in names}
    for measurement, names in wanted.items():
        view = '"' + (PREFIX + measurement).replace('"', '""') + '"'
        selected = ", ".join(["time", *_columns(names, tags)])
        where = f"measurement = {quoted(measurement)}"
        database.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT {selected} FROM points WHERE {where}")
        comment = f"The points of {measurement}, each tag and field a column. For example: FROM {view} LIMIT 10"
        database.execute(f"COMMENT ON VIEW {view} IS {quoted(comment)}")


def _tags_of(tags: list[str]) -> str:
    counted = "".join(f', count("{tag}")' for tag in (tag.replace('"', '""') for tag in tags))
    return f"SELECT measurement{counted} FROM points GROUP BY 1 ORDER BY 1"


def _kind(types: list[str]) -> str:
    found = set(types) - {"NULL"}
    if found <= {"BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"}:
        return "float"
    return "boolean" if found == {"BOOLEAN"} else "string"


def _columns(names: Mapping[str, str], tags: list[str]) -> list[str]:
    """Return what the view selects besides the time: the tags that it has, then the fields."""
    taken = {"time"}
    columns = []
    for name, kind in sorted(names.items(), key=lambda one: one[1] != "tag"):
        if name.lower() in taken or '"' in name or "\\" in name:
            continue
        taken.add(name.lower())
        if kind == "tag":
            columns.append(f'"{name}"' if name in tags else f'NULL::VARCHAR AS "{name}"')
        else:
            path = quoted(f'$."{name}"')
            columns.append(f'TRY_CAST(json_extract_string(fields, {path}) AS {_TYPES[kind]}) AS "{name}"')
    return columns
