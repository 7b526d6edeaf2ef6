import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from homeiq.storage import following as module
from homeiq.storage.following import Following, Wanted
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.record import Record, housekeeping_event
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FastFiles, contents, fill, operate

OPERATIONS = st.lists(
    st.sampled_from(["append", "append", "append", "rotate", "seal", "compact", "restart", "look"]), max_size=25
)


@given(
    before=OPERATIONS,
    after=OPERATIONS,
    count=st.integers(0, 12),
    entity=st.sampled_from(["", "sensor.number_1", "sensor.number_[02]", "light.*"]),
)
@settings(max_examples=60)
def test_none_is_lost_or_doubled_whatever_happens_to_the_files(
    before: list[str], after: list[str], count: int, entity: str
) -> None:
    """The last ones, then each that comes: over rotation, sealing, compaction and a new start of the recorder."""
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name)
        log = EventLog(data_dir, rotate_records=5, files=FastFiles())
        seen: list[Record] = []
        following = Following(data_dir, Wanted(entity))

        def wanted(records: list[Record]) -> list[Record]:
            return [one for one in records if not entity or fnmatchcase(one.entity_id or "", entity)]

        for place, operation in enumerate(before):
            log = operate(log, operation, place)
        there = contents(data_dir)
        first = following.last(count)
        assert first == wanted(there)[len(wanted(there)) - min(count, len(wanted(there))) :]
        for place, operation in enumerate([*after, "look"]):
            log = operate(log, operation, place)
            if operation == "look":
                seen += [record for records in following.new() for record in records]
        log.close()
        assert seen == wanted(contents(data_dir)[len(there) :])
        assert following.missing == []


def test_heartbeats_and_blank_rows_are_shown_by_their_type_only(tmp_path: Path) -> None:
    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append([housekeeping_event(1, "recorder", what) for what in ("started", "heartbeat", "blank")])
    assert [one.event_type for one in Following(tmp_path, Wanted()).last(9)] == ["homeiq_started"]
    assert len(Following(tmp_path, Wanted(event_type="homeiq_heartbeat")).last(9)) == 1
    assert len(Following(tmp_path, Wanted(source="recorder")).last(9)) == 1
    assert Following(tmp_path, Wanted(source="weather")).last(9) == []


def test_a_rare_entity_is_looked_for_so_far_back_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 6)
    seal(tmp_path, FastFiles())
    compact(tmp_path, FastFiles())
    wanted = Wanted("sensor.number_1")
    assert len(Following(tmp_path, wanted).last(100)) == 10
    monkeypatch.setattr(module, "LOOKED_BACK", 0)
    assert [one.seq for one in Following(tmp_path, wanted).last(100)] == [28], "what the tail has, and no segment"


def test_tails_are_read_without_pyarrow(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    script = (
        "import sys; from pathlib import Path; from homeiq.storage.following import Following, Wanted;"
        f"found = Following(Path({str(tmp_path)!r}), Wanted()); print(len(found.last(10)), len(list(found.new())));"
        "print('pyarrow' in sys.modules, 'duckdb' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "10 0\nFalse False\n"
