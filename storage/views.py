"""The views of `homeiq sql`, each with its words and an example: `--help`, comments and tests take them from here.

Pure text: this module loads neither duckdb nor pyarrow. What the views are made of is in `storage/sql.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

__all__ = ["SOURCE_BODY", "VIEWS", "View", "help_text", "quoted", "quoted_list"]


@dataclass(frozen=True, slots=True)
class View:
    """A view or table macro: `columns` as a person reads them, `comment` in a sentence or two, `example` a query.

    `body` is what it selects, empty where it is made of files; {once} in it is each state's record once, {rank} which of
    several is believed. `parameter` makes it a table macro. `needs` is the one of these views that it reads.
    """

    name: str
    columns: str
    comment: str
    example: str
    body: str = ""
    parameter: str = ""
    needs: str = ""

    @property
    def create(self) -> str:
        """The statement that makes it, for those that have a body."""
        if self.parameter:
            return f"CREATE OR REPLACE MACRO {self.name}({self.parameter}) AS TABLE {self.body}"
        return f"CREATE OR REPLACE VIEW {self.name} AS {self.body}"

    @property
    def describe(self) -> str:
        """The statement that gives it its comment, for those that exist already."""
        what = "MACRO TABLE" if self.parameter else "VIEW"
        text = f"{self.comment} For example: {self.example}"
        return f"COMMENT ON {what} {self.name} IS {quoted(text)}"


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted_list(texts: Iterable[str]) -> str:
    """Return texts as literals of SQL, for what stands between IN ( and )."""
    return ", ".join(map(quoted, texts))


_STATES: Final = r"""
SELECT seq, time, entity_id, state,
    CASE WHEN isfinite(number) AND ascii(state) BETWEEN 45 AND 57 AND NOT contains(state, '_')
        AND NOT ends_with(state, ' ') AND NOT ends_with(state, chr(9)) AND NOT ends_with(state, chr(10))
        AND NOT ends_with(state, chr(11)) AND NOT ends_with(state, chr(12)) AND NOT ends_with(state, chr(13))
        THEN number END AS value,
    CASE WHEN json_valid(raw) THEN coalesce(json_extract(raw,
        CASE WHEN event_type = 'state_changed' THEN '$.data.new_state.attributes'
            WHEN json_exists(raw, '$.attributes') THEN '$.attributes' ELSE '$.a' END),
        CASE WHEN source = 'pushed' THEN json_extract(raw, '$.new_state.attributes') END) END AS attributes,
    origin, make_timestamp(epoch_us(time))::DATE AS day
FROM (SELECT *, TRY_CAST(state AS DOUBLE) AS number FROM ({once}))
"""
"""A number is what a strict reading makes of the whole text; DuckDB's cast takes ' 5', '+5', '1_000' and 'nan' too.

These tests cost little; a regular expression, or `right`, makes the whole query three times slower.
So does time::DATE, which asks for the rules of time zones where `day` asks for none.
"""

_HISTORY: Final = """
SELECT seq, time, until, entity_id, state, value, epoch_us(until - time) / 1e6 AS seconds, origin, day
FROM (
    SELECT *, lead(time) OVER (PARTITION BY entity_id ORDER BY time) AS until
    FROM states WHERE entity_id IS NOT NULL
) WHERE state IS NOT NULL
"""

_ATTRIBUTES: Final = """
SELECT seq, time, entity_id, pair.key AS attribute, pair.value ->> '$' AS value,
    CASE WHEN pair.type IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE') THEN TRY_CAST(pair.value AS DOUBLE) END AS number
FROM states, json_each(CASE WHEN json_type(attributes) = 'OBJECT' THEN attributes END) AS pair
"""

_CALLS: Final = """
SELECT seq, time, origin, data ->> '$.domain' AS domain, data ->> '$.service' AS service,
    CASE json_type(target) WHEN 'ARRAY' THEN target ->> '$[*]' WHEN 'VARCHAR' THEN [target ->> '$'] ELSE [] END
        AS entity_ids,
    service_data, context ->> '$.user_id' AS user_id
FROM (
    SELECT *, json_extract(data, '$.service_data') AS service_data,
        coalesce(json_extract(data, '$.service_data.entity_id'), json_extract(data, '$.target.entity_id')) AS target
    FROM (
        SELECT seq, time, origin, json_extract(whole, '$.context') AS context,
            coalesce(json_extract(whole, '$.data'), whole) AS data
        FROM (
            SELECT seq, time, origin, CASE WHEN json_valid(raw) THEN raw::JSON END AS whole
            FROM events WHERE event_type = 'call_service'
        )
    )
)
"""

_REGISTRY_AT: Final = """
WITH versions AS (
    SELECT event_type, time, raw, {rank} AS rank FROM events
    WHERE event_type IN ('entity_registry', 'device_registry', 'area_registry')
        AND CASE WHEN json_valid(raw) THEN json_type(raw) = 'ARRAY' ELSE false END
), chosen AS (
    SELECT event_type, coalesce(
        arg_max(raw, (time, rank, raw)) FILTER (time <= ts::TIMESTAMPTZ),
        arg_min(raw, (time, rank, raw))) AS raw
    FROM versions GROUP BY event_type
), entries AS (
    SELECT event_type, unnest(from_json(raw, '["JSON"]')) AS entry FROM chosen
), devices AS (
    SELECT entry ->> '$.id' AS id, any_value(entry) AS entry FROM entries
    WHERE event_type = 'device_registry' GROUP BY ALL
), areas AS (
    SELECT entry ->> '$.area_id' AS id, any_value(entry ->> '$.name') AS name FROM entries
    WHERE event_type = 'area_registry' GROUP BY ALL
), entities AS (
    SELECT e.entry, d.entry AS device, d.id AS device_id,
        coalesce(nullif(e.entry ->> '$.area_id', ''), nullif(d.entry ->> '$.area_id', '')) AS area_id
    FROM entries e LEFT JOIN devices d ON d.id = e.entry ->> '$.device_id'
    WHERE e.event_type = 'entity_registry'
)
SELECT entry ->> '$.entity_id' AS entity_id, coalesce(entry ->> '$.name', entry ->> '$.original_name') AS name,
    entry ->> '$.platform' AS integration, entities.area_id, areas.name AS area,
    coalesce(device_id, entry ->> '$.device_id') AS device_id,
    coalesce(device ->> '$.name_by_user', device ->> '$.name') AS device,
    device ->> '$.manufacturer' AS manufacturer, device ->> '$.model' AS model,
    entry ->> '$.entity_category' AS entity_category, entry ->> '$.disabled_by' AS disabled_by, entry
FROM entities LEFT JOIN areas ON areas.id = entities.area_id
"""

VIEWS: Final = (
    View(
        "events",
        "seq, time, received_at, source, origin, event_type, entity_id, state, raw",
        "Every record of the log, its own words about itself and blank rows too.",
        "SELECT entity_id, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC LIMIT 10",
    ),
    View(
        "states",
        "seq, time, entity_id, state, value, attributes (JSON), origin, day",
        "Each state once, however often and by whatever way it came; value is it as a number, day its date in UTC.",
        "SELECT time, value FROM states WHERE entity_id = 'sensor.outdoor' AND time > now() - INTERVAL 1 DAY",
        _STATES,
    ),
    View(
        "state_history",
        "seq, time, until, entity_id, state, value, seconds, origin, day",
        "Each state with how long it was the last one reported; of an entity's latest, until and seconds are NULL.",
        "SELECT entity_id, state, sum(seconds) / 3600 AS hours FROM state_history GROUP BY ALL ORDER BY hours DESC",
        _HISTORY,
        needs="states",
    ),
    View(
        "attributes",
        "seq, time, entity_id, attribute, value (text), number",
        "One row for each attribute of each state.",
        "SELECT time, entity_id, number FROM attributes WHERE attribute = 'current_temperature' ORDER BY time",
        _ATTRIBUTES,
        needs="states",
    ),
    View(
        "gaps",
        'source, start, "end", seconds, reason, closed_from, closed_upto, closed, missing',
        "When a source was not listened to, why, and how far its states were fetched afterwards.",
        "SELECT source, start, seconds, reason FROM gaps ORDER BY start DESC",
    ),
    View(
        "calls",
        "seq, time, origin, domain, service, entity_ids (list), service_data (JSON), user_id",
        "The calls of services; user_id is who called, NULL for Home Assistant itself.",
        "SELECT domain, service, count(*) AS n FROM calls GROUP BY ALL ORDER BY n DESC",
        _CALLS,
    ),
    View(
        "registry_at",
        "(ts) entity_id, name, integration, area_id, area, device_id, device, manufacturer, model, …, entry (JSON)",
        "The entity registry as it was at a time, with device and area; before the first one known, the first one.",
        "SELECT entity_id, area FROM registry_at('2026-11-23 12:00') WHERE area IS NOT NULL",
        _REGISTRY_AT,
        "ts",
    ),
    View(
        "registry",
        "as registry_at",
        "The entity registry as it is now.",
        "SELECT area, count(*) AS entities FROM registry GROUP BY ALL ORDER BY entities DESC",
        "SELECT * FROM registry_at(now())",
        needs="registry_at",
    ),
    View(
        "points",
        "measurement, time, each tag a column, fields (JSON)",
        "The points of the embedded target, which are kept where there is no InfluxDB.",
        "SELECT time, (fields->>'value')::DOUBLE AS value FROM points WHERE entity_id = 'sensor.outdoor'",
    ),
)
"""In the order in which they are made: each may read those before it."""

SOURCE_BODY: Final = """
SELECT seq, time, received_at, origin, event_type,
    json_extract_string(whole, '$.request.url') AS url,
    TRY_CAST(json_extract_string(whole, '$.status') AS INTEGER) AS status,
    CASE WHEN json_valid(body) THEN body::JSON END AS body, raw
FROM (
    SELECT *, coalesce(json_extract_string(whole, '$.body'), whole::VARCHAR) AS body
    FROM (
        SELECT *, CASE WHEN json_valid(raw) THEN raw::JSON END AS whole FROM events
        WHERE source = {source} AND event_type <> 'blank' AND event_type NOT LIKE 'homeiq!_%' ESCAPE '!'
    )
)
"""
"""What a source's own view selects: of a poll the address, and status and body of its answer; else the body is all."""


def help_text() -> str:
    """Return what `homeiq sql --help` says of the views: each with its columns, its comment and an example, wrapped."""
    lines = [
        "Views, each with an example; one for each source found in the log, such as weather; and one",
        "for each measurement of the embedded target, such as points_weather, its fields as columns:",
    ]
    for view in VIEWS:
        lines.append(view.name)
        for text in (view.columns, view.comment, view.example):
            lines += wrap(text, 90, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(lines)
