"""Export → import gives the same records; the same file twice adds nothing; what is bad is set aside with its reason."""

import gzip
import json
import signal
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from homeiq.cli import cli
from homeiq.commands.import_sink import _Alone
from homeiq.storage.log import EventLog
from homeiq.storage.reader import read_everything
from homeiq.storage.record import ORIGINS, Event
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_795_448_913_184_487
LIVE = Event(NOW, NOW, "home_assistant", "live", "state_changed", "light.a", "on", "{}")


pytestmark = pytest.mark.usefixtures("signals_given_back")


def run(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--data-dir", str(data_dir), *arguments])


def summary(result: Result) -> dict[str, int]:
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def held(data_dir: Path) -> list[tuple[object, ...]]:
    """Return all records without seq and received_at, in an order of their own."""
    found = [
        (r.time, r.source, r.origin, r.event_type, r.entity_id, r.state, r.raw)
        for records in read_everything(data_dir)
        for r in records
    ]
    return sorted(found, key=repr)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = texts.filter(bool)
events = st.builds(
    Event,
    st.integers(NOW - 3 * 86_400_000_000, NOW) | st.just(NOW),
    st.just(NOW),
    names | st.just("home_assistant"),
    st.sampled_from(ORIGINS),
    names.filter(lambda name: name != "homeiq_blank") | st.just("homeiq_started"),
    st.none() | texts,
    st.none() | texts,
    texts,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(events, min_size=1, max_size=8), st.sampled_from(["ndjson", "parquet"]), st.data())
def test_what_is_exported_comes_back_the_same_and_once(made: list[Event], form: str, data: st.DataObject) -> None:
    made += data.draw(st.lists(st.sampled_from(made), max_size=3))  # copies
    with tempfile.TemporaryDirectory() as folder:
        one, other, file = Path(folder, "one"), Path(folder, "other"), Path(folder, "file")
        with EventLog(one) as log:
            log.append(made)
        assert run(one, "export", "--format", form, "--output", str(file)).exit_code == 0
        before = file.read_bytes()
        result = run(other, "import", form, str(file), "--json")
        assert result.exit_code == 0, result.output
        assert held(other) == held(one)
        assert summary(run(other, "import", form, str(file), "--json"))["new"] == 0
        assert run(one, "export", "--format", form, "--output", str(file)).exit_code == 0
        assert file.read_bytes() == before, "the same log gives the same bytes"


def test_bad_lines_are_set_aside_and_the_good_ones_recorded(tmp_path: Path) -> None:
    pushed = '{"event_type":"state_changed","entity_id":"light.a","new_state":"on","time_fired":"2026-01-02T00:00:00Z"}'
    exported = {"seq": 9, "time": NOW, "source": "s", "origin": "live", "event_type": "t", "raw": "r"}
    lines = [
        *("nonsense", pushed, "", '{"event_type":"x"}', "[1]", json.dumps(exported)),
        *(json.dumps(exported | {"origin": "odd"}), json.dumps(exported | {"time": 2**63}), "\ud800"),
    ]
    file = tmp_path / "a.ndjson.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode("utf-8", "surrogatepass")))
    result = run(tmp_path / "data", "import", "ndjson", str(file), "--json")
    assert result.exit_code == 1
    assert (summary(result)["new"], summary(result)["bad"]) == (2, 6)
    assert "6 could not be imported: they are kept in" in result.stderr
    (kept,) = (tmp_path / "data" / "quarantine").glob("*.bad.ndjson")
    bad = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [one["place"] for one in bad] == [f"line {number}" for number in (1, 4, 5, 7, 8, 9)]
    assert "says no time" in bad[1]["reason"]
    assert held(tmp_path / "data")[0][1:] == ("pushed", "import", "state_changed", "light.a", "on", pushed)
    assert len(held(tmp_path / "data")) == 2


def test_a_file_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    line = json.dumps({"seq": 1, "time": NOW, "source": "s", "origin": "live", "event_type": "t", "raw": "r"}) + "\n"
    whole = gzip.compress(line.encode() * 3)
    file = tmp_path / "cut.gz"
    file.write_bytes(whole[:-4])
    result = run(tmp_path / "data", "import", "ndjson", str(file), "--json")
    assert result.exit_code == 1
    assert (summary(result)["new"], summary(result)["bad"]) == (3, 1)


def test_another_recorders_own_words_are_left_out_where_one_has_recorded(tmp_path: Path) -> None:
    word = Event(NOW, NOW, "recorder", "live", "homeiq_started", None, None, "{}")
    own = Event(NOW + 1, NOW + 1, "recorder", "live", "homeiq_started", None, None, "{}")
    for name, made in (("one", [word, LIVE]), ("other", [own])):
        with EventLog(tmp_path / name) as log:
            log.append(made)
    run(tmp_path / "one", "export", "--output", str(tmp_path / "f"))
    found = summary(run(tmp_path / "other", "import", "ndjson", str(tmp_path / "f"), "--json"))
    assert (found["new"], found["left_out"]) == (1, 1)


def test_stopped_and_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        json.dumps({"seq": n, "time": NOW + n, "source": "s", "origin": "live", "event_type": "t", "raw": f"{n}"})
        for n in range(2_500)
    ]
    (tmp_path / "f").write_text("\n".join(lines))
    append = _Alone.append

    def interrupted(self: _Alone, made: list[Event]) -> None:
        append(self, made)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(_Alone, "append", interrupted)
        result = run(tmp_path / "data", "import", "ndjson", str(tmp_path / "f"))
    assert result.exit_code == 1
    assert "stopped before the end, 1,000 records were imported: run it again" in result.stderr
    found = summary(run(tmp_path / "data", "import", "ndjson", str(tmp_path / "f"), "--json"))
    assert (found["new"], found["known"]) == (1_500, 1_000)
    assert len(held(tmp_path / "data")) == 2_500


def test_export_filters(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log.append([LIVE, Event(NOW + 5, NOW, "weather", "live", "polled", None, None, "{}")])

    def exported(*options: str) -> list[str]:
        lines = run(tmp_path, "export", *options).stdout.splitlines()
        return [json.loads(line)["event_type"] for line in lines]

    assert exported() == ["state_changed", "polled"]
    assert exported("--entity", "light.*") == ["state_changed"]
    assert exported("--source", "weather") == exported("--event-type", "polled") == ["polled"]
    assert exported("--until", "2026-11-23T15:48:33.184490+00:00") == ["state_changed"]
    assert exported("--since", "2026-11-23T15:48:33.184490+00:00") == ["polled"]


def test_a_row_of_which_only_the_place_is_left_is_not_exported(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log.append([LIVE, Event(NOW + 5, NOW, "weather", "live", "polled", None, None, "{}")])
    assert run(tmp_path, "forget", "--entity", "light.a", "--yes").exit_code == 0
    kept = [r.event_type for records in read_everything(tmp_path) for r in records]
    assert "blank" in kept
    lines = run(tmp_path, "export").stdout.splitlines()
    assert [json.loads(line)["event_type"] for line in lines] == [what for what in kept if what != "blank"]


@pytest.mark.parametrize("form", ["ndjson", "parquet", "home-assistant"])
def test_a_file_that_is_not_there_or_of_another_kind_is_said_in_a_sentence(form: str, tmp_path: Path) -> None:
    result = run(tmp_path, "import", form, str(tmp_path / "none"))
    assert result.exit_code == 2
    if form != "ndjson":
        (tmp_path / "odd").write_text("odd" * 100)
        result = run(tmp_path, "import", form, str(tmp_path / "odd"))
        assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
