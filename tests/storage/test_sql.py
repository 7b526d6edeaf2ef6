import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from homeiq.errors import LogError, UsageError
from homeiq.replayer.normalizers.home_assistant import number_of
from homeiq.storage import sql
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.manifest import segment_name
from homeiq.storage.measurement_views import KNOWN
from homeiq.storage.points import points_folder
from homeiq.storage.record import COLUMNS, Event
from homeiq.storage.sql import connect, query
from homeiq.storage.views import VIEWS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .disks import FastFiles, events, fill

NAMES = [view.name for view in VIEWS if not view.parameter]

RAW = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(), inner)
    ).map(lambda value: json.dumps({"attributes": value, "data": {"new_state": {"attributes": value}}})),
)


def rows(data_dir: Path, text: str) -> list[dict]:  # type: ignore[type-arg]
    table = query(data_dir, text)
    assert table is not None
    return table.to_pylist()  # type: ignore[no-any-return]


def recorded(data_dir: Path, *events: Event) -> Path:
    shutil.rmtree(data_dir / "log", ignore_errors=True)
    with EventLog(data_dir, files=FastFiles()) as log:
        log.append(events)
    return data_dir


def state(text: str | None, raw: str = "{}", event_type: str = "state_changed", time: int = 1) -> Event:
    return Event(time, 2, "home_assistant", "live", event_type, "sensor.a", text, raw)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sql")


def test_all_views_exist_on_an_empty_log(tmp_path: Path) -> None:
    EventLog(tmp_path, files=FastFiles()).close()
    columns = {view: [row["column_name"] for row in rows(tmp_path, f"DESCRIBE {view}")] for view in NAMES}
    assert columns["events"] == list(COLUMNS)
    assert columns["states"] == ["seq", "time", "entity_id", "state", "value", "attributes", "origin", "day"]
    assert columns["points"][:2] == ["measurement", "time"]
    assert columns["points"][-1] == "fields"
    assert all(rows(tmp_path, f"SELECT count(*) AS n FROM {view}") == [{"n": 0}] for view in NAMES)


NUMBERS = st.from_regex(r"-?([0-9]{0,25}\.?[0-9]{0,25})([eE][+-]?[0-9]{0,4})?", fullmatch=True)


@given(texts=st.lists(NUMBERS | st.floats().map(str) | st.text(max_size=6), min_size=1, max_size=50))
@example(
    texts=["21.5", "-3", "1e5", "5.", ".5", "-.5", ".", "-", "e5", "1e400", "-1e400", "1e-400", "1E+05", "-0", "00"]
)
@example(
    texts=["0x10", "1_000", " 5 ", "5\n", "5\0", "nan", "inf", "-Infinity", "٣", "１", "", "+5", "1e", "5e-324", "true"]
)
@settings(max_examples=40, deadline=None)
def test_value_is_the_number_that_the_normalizer_reads(folder: Path, texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    recorded(folder, *[state(text, time=place) for place, text in enumerate(texts)])
    values = [row["value"] for row in rows(folder, "SELECT value FROM states ORDER BY seq")]
    assert [repr(value) for value in values] == [repr(number_of(text)) for text in texts]


@given(raws=st.lists(RAW, min_size=1, max_size=8), sealed=st.booleans())
@example(raws=['{"attributes": {"a": NaN}}', '{"a', "", "null", "[" * 100_000, '"\\ud800"', "\0"], sealed=False)
@settings(max_examples=30, deadline=None)
def test_no_raw_text_makes_the_states_fail(folder: Path, raws: list[str], sealed: bool) -> None:
    types = ["state_changed", "state"]
    recorded(folder, *[state("on", raw, types[place % 2], place) for place, raw in enumerate(raws)])
    if sealed:
        EventLog(folder, files=FastFiles()).close()
        seal(folder, FastFiles())
    found = rows(folder, "SELECT state, attributes, raw FROM states JOIN events USING (seq, state) ORDER BY seq")
    assert [row["raw"] for row in found] == raws


def test_attributes_are_json_of_both_kinds_of_state(tmp_path: Path) -> None:
    recorded(
        tmp_path,
        state("on", '{"data":{"new_state":{"attributes":{"a":1.5}}}}'),
        state("on", '{"attributes":{"a":2}}', "state", 2),
        state("on", "{}", "other"),
    )
    assert rows(tmp_path, "SELECT seq, attributes->>'a' AS a FROM states ORDER BY seq") == [
        {"seq": 1, "a": "1.5"},
        {"seq": 2, "a": "2"},
    ]


def test_the_log_is_one_table_wherever_it_lies(tmp_path: Path) -> None:
    data_dir = tmp_path / "it's [a] *home*?"
    for step in (seal, compact, seal):
        fill(data_dir, 3)
        step(data_dir, FastFiles())
    expected = {"n": 45, "least": 1, "top": 45, "d": 45}
    text = "SELECT count(*) AS n, min(seq) AS least, max(seq) AS top, count(DISTINCT seq) AS d FROM events"
    assert rows(data_dir, text) == [expected]
    (row,) = rows(data_dir, "SELECT raw, epoch_us(time) AS time FROM events WHERE seq = 7")
    assert (row["raw"], row["time"]) == (events(7, 1)[0].raw, events(7, 1)[0].time)


def test_times_are_shown_in_utc(tmp_path: Path) -> None:
    recorded(tmp_path, state("on"))
    assert rows(tmp_path, "SELECT time::VARCHAR AS time FROM events") == [{"time": "1970-01-01 00:00:00.000001+00"}]


@pytest.mark.parametrize("moment", ["before the views", "before the query"])
def test_files_that_go_meanwhile_are_looked_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for _ in range(2):
        fill(tmp_path, 2)
        EventLog(tmp_path, files=FastFiles()).close()
        seal(tmp_path, FastFiles())
    pending = [compact]

    def meanwhile() -> None:
        if pending:
            pending.pop()(tmp_path, FastFiles())

    if moment == "before the views":
        real = sql.LogView

        def view(data_dir: Path) -> sql.LogView:
            made = real(data_dir)
            meanwhile()
            return made

        monkeypatch.setattr(sql, "LogView", view)
    else:
        connected = sql.connect

        def connecting(data_dir: Path, *rest: str):  # type: ignore[no-untyped-def]
            database = connected(data_dir, *rest)
            meanwhile()
            return database

        monkeypatch.setattr(sql, "connect", connecting)
    assert rows(tmp_path, "SELECT count(*) AS n, max(seq) AS top FROM events") == [{"n": 20, "top": 20}]
    assert pending == []


def test_a_damaged_segment_is_an_error_of_the_log(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (name,) = seal(tmp_path, FastFiles())
    name.path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(LogError, match=r"the log cannot be read|not a readable segment"):
        query(tmp_path, "SELECT * FROM events")


def test_a_damaged_page_is_said_as_such_where_a_question_comes_to_it(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (name,) = seal(tmp_path, FastFiles())
    content = bytearray(name.path.read_bytes())
    with pq.ParquetFile(name.path) as file:
        place = file.metadata.row_group(0).column(8)
    content[place.data_page_offset + place.total_compressed_size // 2] ^= 0xFF
    name.path.write_bytes(content)
    with pytest.raises(LogError, match=r"the log cannot be read: .*homeiq mend makes it whole"):
        query(tmp_path, "SELECT max(raw) FROM events")


def test_a_wrong_query_is_answered_in_words(tmp_path: Path) -> None:
    recorded(tmp_path, state("on"))
    for text in (
        "SELEC 1",
        "SELECT nothing FROM events",
        "SELECT 'a'::INTEGER",
        "SELECT * FROM read_json_auto('/none')",
    ):
        with pytest.raises((UsageError, LogError)) as found:
            query(tmp_path, text)
        assert "Traceback" not in str(found.value)


def test_a_name_that_is_nearly_right_is_guessed(tmp_path: Path) -> None:
    recorded(tmp_path, state("on"))
    with pytest.raises(UsageError, match="state_history"):
        query(tmp_path, "SELECT * FROM state_histori")


def test_a_statement_without_a_result_has_none(tmp_path: Path) -> None:
    recorded(tmp_path, state("on"))
    table = query(tmp_path, "CREATE TABLE a (b INTEGER)")
    assert table is None or table.num_rows == 0


def test_a_folder_without_a_log_is_said(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"there is no log in .*: name another folder with --data-dir"):
        connect(tmp_path)


def test_points_have_a_column_for_each_tag(tmp_path: Path) -> None:
    recorded(tmp_path, state("on"))
    for day, tag in (("2026-11-23", "entity_id"), ("2026-11-24", "region")):
        path = points_folder(tmp_path) / "home_assistant" / f"date={day}" / segment_name(1, 1, 0)
        path.parent.mkdir(parents=True)
        table = pa.table(
            {
                "measurement": ["m"],
                "time": pa.array([1], pa.timestamp("us", "UTC")),
                tag: ["here"],
                "fields": ['{"value":1.5}'],
            }
        )
        pq.write_table(table, path)
    found = rows(
        tmp_path, "SELECT entity_id, region, domain, (fields->>'value')::DOUBLE AS value FROM points ORDER BY 1"
    )
    assert found == [
        {"entity_id": "here", "region": None, "domain": None, "value": 1.5},
        {"entity_id": None, "region": "here", "domain": None, "value": 1.5},
    ]


def test_each_measurement_is_a_view_before_there_are_points(tmp_path: Path) -> None:
    recorded(tmp_path, state("on"))
    for measurement, names in KNOWN.items():
        assert rows(tmp_path, f"SELECT {', '.join(names)} FROM points_{measurement}") == []
    with connect(tmp_path) as database:
        listed = {name for (name,) in database.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    assert {f"points_{measurement}" for measurement in KNOWN} <= listed


def test_what_a_measurement_has_besides_is_a_column_too(tmp_path: Path) -> None:
    recorded(tmp_path, state("on"))
    path = points_folder(tmp_path) / "home_assistant" / "date=2026-11-23" / segment_name(1, 2, 0)
    path.parent.mkdir(parents=True)
    fields = [
        '{"value":1,"attr_a":2.5,"attr_on_bool":true,"attr_x_str":"é","Value":3,"domain":1,"od\'d":1}',
        '{"attr_a":1,"attr_l_json":"[1]","attr_b \\"":1}',
    ]
    columns = {"measurement": ["home_assistant_events", "own's"], "time": pa.array([1, 2], pa.timestamp("us", "UTC"))}
    pq.write_table(pa.table({**columns, "domain": ["light", None], "mine": [None, "m"], "fields": fields}), path)
    (found,) = rows(tmp_path, "SELECT * FROM points_home_assistant_events")
    assert (found["value"], found["attr_a"], found["attr_on_bool"], found["attr_x_str"]) == (1.0, 2.5, True, "é")
    assert (found["domain"], found["od'd"], found["icon"]) == ("light", 1.0, None)
    assert "mine" not in found
    (own,) = rows(tmp_path, """SELECT * EXCLUDE (time) FROM "points_own's\"""")
    assert own == {"mine": "m", "attr_a": 1.0, "attr_l_json": "[1]"}
