"""Ways in which commands fail that no other test makes happen: each ends with its sentence, what to do, and its exit code.

`tests/provoked.py` holds that none is left over.
"""

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from homeiq.cli import cli
from homeiq.clock import DAY
from homeiq.commands import init, init_home, init_influxdb, service
from homeiq.commands.terminal import long_work
from homeiq.doctor import log_facts
from homeiq.errors import LogCorrupt, SettingsError, SourceError, Stopped, TargetRefused, UsageError
from homeiq.recorder import control
from homeiq.storage import backup, maintenance, reader, spool
from homeiq.storage import verify as verifying
from homeiq.storage.files import Files
from homeiq.storage.log import EventLog
from homeiq.storage.places import FolderPlace
from websockets.sync.server import ServerConnection, serve

from replayer.making import DAY_0, registries, state, write_log

EVENTS = [*registries(DAY_0), *(state("sensor.a", str(n), DAY_0 + n * DAY // 4) for n in range(8))]


pytestmark = pytest.mark.usefixtures("nothing_set", "signals_given_back")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder with a log of two days."""
    folder = tmp_path / "data"
    write_log(folder, EVENTS)
    return folder


def run(data_dir: Path, *arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(cli, ["--data-dir", str(data_dir), *arguments], **options)


def fails(result: Result, code: int, *said: str) -> None:
    """Assert that it ended so, with one sentence and no traceback."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("homeiq: ")
    for part in said:
        assert part in last


@contextmanager
def recorder(data_dir: Path, *answers: dict[str, Any] | None) -> Iterator[None]:
    """A recorder on the control socket that gives these answers, one a connection; None: it is gone from then on."""
    path = data_dir / "control.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        for answer, following in zip(answers, [*answers[1:], {}], strict=True):
            if answer is None:
                return
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as said:
                said.readline()
                if following is None:
                    path.unlink()
                connection.sendall(json.dumps(answer).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
        listening.close()


USAGE = [
    (("sql", "--parquet", "x.parquet"), "--parquet writes the result of one query", "give it as an argument"),
    (("backfill", "--since", "1d"), "Home Assistant is not configured: set home_assistant.url", "HOME_ASSISTANT_URL"),
    (("replay", "--into", "other"), "--into names a bucket of InfluxDB, and none is configured", "set influxdb.url"),
    (("replay", "--target", "nowhere"), "there is no target nowhere", "known are embedded"),
    (("forget", "--entity", ""), "--entity must name entities", "such as person.guest"),
    (("sql", "--parquet", "no/folder.parquet", "SELECT 1"), "no/folder.parquet cannot be written", "--parquet"),
    (("normalize", "test", "rules.yaml", "--events", "many.ndjson"), "many.ndjson holds too many events", "first"),
    (("normalize", "test", "rules.yaml", "--events", "none.ndjson"), "none.ndjson cannot be read", "check --events"),
    (("import", "parquet", "other.parquet"), "other.parquet has no column", "must be those of the log"),
    (("import", "home-assistant", "other.db"), "other.db is no database of Home Assistant's recorder", "name its"),
]


@pytest.mark.parametrize(("arguments", "sentence", "hint"), USAGE, ids=[one[1] for one in USAGE])
def test_wrong_usage(data_dir: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str, hint: str) -> None:
    (tmp_path / "rules.yaml").write_text("[]")
    line = '{"event_type": "x", "time_fired": "2026-11-23T00:00:00Z"}\n'
    (tmp_path / "many.ndjson").write_text(line * 10_001)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE x (y)")
    database.close()
    fails(run(data_dir, *arguments), 2, sentence, hint)


def test_forget_asks(data_dir: Path) -> None:
    fails(run(data_dir, "forget", "--entity", "sensor.a", input="n\n"), 2, "nothing was forgotten", "say --yes")


def test_parquet_is_nothing_for_a_terminal(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeiq.commands import exporting

    monkeypatch.setattr(exporting.sys.stdout.__class__, "isatty", lambda self: True, raising=False)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    fails(run(data_dir, "export", "--format", "parquet"), 2, "Parquet is nothing for a terminal", "--output")


def test_http_for_other_machines_needs_a_token(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEIQ_HTTP__HOST", "0.0.0.0")
    fails(run(data_dir, "record"), 2, "http.host 0.0.0.0 can be reached from other machines", "set http.token")


def test_export_into_no_folder(data_dir: Path) -> None:
    fails(run(data_dir, "export", "--output", "no/where"), 1, "no/where cannot be written", "name another file")


def sealed(data_dir: Path) -> list[Path]:
    """Seal the log into three segments, and return them."""
    maintenance.compact(data_dir)
    for day in (2, 3):
        with EventLog(data_dir) as log:
            log.append([state("sensor.a", "x", DAY_0 + day * DAY)])
            log.rotate()
        maintenance.seal(data_dir)
    return sorted((data_dir / "log").glob("date=*/*.parquet"), key=lambda path: path.name)


def test_export_of_a_log_that_lacks_records(data_dir: Path) -> None:
    sealed(data_dir)[1].unlink()
    fails(run(data_dir, "export"), 1, "are missing from the log", "homeiq verify says why")


@pytest.mark.parametrize("command", ["backfill", "import"])
def test_the_recorder_stops_meanwhile(data_dir: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("HOME_ASSISTANT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", "any")
    position = {"first": 1, "last": 1, "seq": 1}
    if command == "backfill":
        with recorder(data_dir, position, {}, None):
            result = run(data_dir, "backfill", "--since", "1d")
        fails(result, 1, "the recorder stopped meanwhile", "run it again when the recorder is there")
    else:
        Path("one.ndjson").write_text('{"event_type": "x", "time_fired": "2026-11-20T00:00:00Z"}\n')
        with recorder(data_dir, position, None):
            result = run(data_dir, "import", "ndjson", "one.ndjson")
        fails(result, 1, "the recorder stopped meanwhile", "run it again")


def test_the_recorder_stops_before_its_tail_is_sealed(data_dir: Path) -> None:
    from homeiq.commands.import_sink import _Recorder
    from homeiq.errors import LogError

    with pytest.raises(LogError, match="the recorder stopped meanwhile: run it again"):
        _Recorder(data_dir, threading.Event()).rotate()


def test_the_recorder_takes_nothing(data_dir: Path) -> None:
    from homeiq.commands.import_sink import _Recorder
    from homeiq.errors import LogNotWritable

    stop = threading.Event()
    stop.set()
    busy = {"busy": "the disk does not keep up", "retry_after": 1}
    with recorder(data_dir, busy), pytest.raises(LogNotWritable, match="takes nothing now: the disk does not keep up"):
        _Recorder(data_dir, stop).append(EVENTS[:1])


def test_the_recorder_does_not_answer(data_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(data_dir / "control.sock"))
        silent.listen()
        with pytest.raises(control.LogError, match="the recorder does not answer: look at its log"):
            control.ask(data_dir, "position", 0.05)


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        ({"done": False, "problem": "Home Assistant refuses a question"}, "not all could be fetched: Home Assistant"),
        ({"done": True, "missing": ["no_history"]}, "not all could be fetched: look at the recorder's log"),
    ],
)
def test_not_all_could_be_fetched(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, progress: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setenv("HOME_ASSISTANT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", "any")
    facts = {"since": 0, "until": 1, "from": 0, "upto": 1, "rows": 0, "new": 0, "missing": [], **progress}
    with recorder(data_dir, {"seq": 1}, {}, {**facts, "running": False}):
        result = run(data_dir, "backfill", "--since", "1d")
    fails(result, 1, sentence)


def test_a_backfill_is_stopped(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()
    stopped.set()  # as by Ctrl-C
    monkeypatch.setattr("homeiq.commands.backfill.stop_on_signals", lambda: stopped)
    home = {"HOME_ASSISTANT_URL": "http://127.0.0.1:9", "HOME_ASSISTANT_TOKEN": "any"}
    facts = {"since": 0, "until": 1, "from": 0, "upto": 1, "rows": 0, "new": 0, "missing": [], "done": False}
    with recorder(data_dir, {"seq": 1}, {}, {**facts, "running": False}):
        result = run(data_dir, "backfill", "--since", "1d", env=home)
    fails(result, 1, "stopped before the end: run it again")


def test_a_database_that_ends_in_the_middle(data_dir: Path, tmp_path: Path) -> None:
    from documentation.old_database import write

    write(tmp_path / "whole.db")
    content = (tmp_path / "whole.db").read_bytes()
    (tmp_path / "broken.db").write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    fails(
        run(data_dir, "import", "home-assistant", "broken.db"),
        1,
        "broken.db could not be read to its end",
        "make a sound copy",
    )


VANISHING: list[tuple[str, Any, str, str, str]] = [
    ("verify", verifying._Proof, "go_on", "files of the log vanish while they are read", "try again"),
    ("export", reader.LogReader, "_from_files", "files of the log vanish while they are read", "run it again"),
    ("backup", backup._Run, "copy_segments", "files of the log vanish while they are copied", "run it again"),
]


@pytest.mark.parametrize(("command", "owner", "method", "sentence", "hint"), VANISHING, ids=[v[0] for v in VANISHING])
def test_files_that_vanish_again_and_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, command: str, owner: Any, method: str, sentence: str, hint: str
) -> None:
    def gone(*arguments: object) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(owner, method, gone)
    fails(run(data_dir, command, *(["there"] if command == "backup" else [])), 1, sentence, hint)


def test_a_backup_that_is_read_back_otherwise(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = FolderPlace.read
    monkeypatch.setattr(FolderPlace, "read", lambda self, name: read(self, name)[:-1])
    fails(run(data_dir, "backup", "there"), 1, "was read back from", "otherwise than it was written")


def test_a_backup_without_its_id(data_dir: Path, tmp_path: Path) -> None:
    assert run(data_dir, "backup", "there").exit_code == 0
    (tmp_path / "there" / "log" / "ID").unlink()
    fails(run(data_dir, "backup", "there"), 1, "holds a log without", "name an empty place")


def test_a_damaged_backup(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched from a store, which here is a folder: what was damaged there is named, and nothing is asked of it."""
    from homeiq.storage import restore

    sealed(data_dir)
    assert run(data_dir, "backup", "there").exit_code == 0
    segment = next((tmp_path / "there" / "log").glob("date=*/*.parquet"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(restore, "place_of", lambda url: FolderPlace(tmp_path / "there"))
    result = CliRunner().invoke(cli, ["--data-dir", "s3://bucket/home", "sql", "SELECT 1"])
    fails(result, 1, segment.name, "homeiq backup there again mends it")


def test_the_end_of_the_log_cannot_be_found(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed(data_dir)
    for tail in (data_dir / "log").glob("tail-*.ndjson"):
        tail.unlink()
    monkeypatch.setattr("homeiq.storage.log.sys.executable", "/bin/false")
    Path("one.ndjson").write_text('{"event_type": "x", "time_fired": "2026-11-20T00:00:00Z"}\n')
    fails(run(data_dir, "import", "ndjson", "one.ndjson"), 1, "the end of the log cannot be found: exit code 1")


def test_no_room_for_the_order_of_an_import(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = spool.Spool.__init__

    def small(self: spool.Spool, *arguments: Any) -> None:
        made(self, *arguments)
        self._database.execute("PRAGMA max_page_count = 4")

    monkeypatch.setattr(spool.Spool, "__init__", small)
    text = "x" * 30_000
    Path("one.ndjson").write_text(f'{{"event_type": "x", "time_fired": "2026-11-20T00:00:00Z", "text": "{text}"}}\n')
    fails(run(data_dir, "import", "ndjson", "one.ndjson"), 1, "could not be put in order", "SQLITE_TMPDIR")


def test_a_segment_without_a_name(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "segment_name", lambda *numbers: "odd.parquet")
    fails(run(data_dir, "compact"), 1, "odd.parquet is not the name of a segment")


def test_a_file_of_lines_that_cannot_be_written(data_dir: Path, tmp_path: Path) -> None:
    from homeiq.errors import TargetUnreachable
    from homeiq.replayer.point import Point, Series
    from homeiq.replayer.targets.line_protocol import AppendedLinesTarget

    full = AppendedLinesTarget(tmp_path / "lines")
    point = Point(Series("m", {}), {"v": 1.0}, DAY_0 * 1000, 1)
    with pytest.raises(TargetUnreachable, match="is not open"):
        full.write([point])
    missing = AppendedLinesTarget(tmp_path / "data" / "log" / "ID" / "lines")
    with pytest.raises(TargetUnreachable, match=r"cannot be written .*: make room or give write permission there"):
        missing.connect(0)


@pytest.mark.parametrize("command", ["replay", "audit"])
def test_an_address_that_is_none(data_dir: Path, command: str) -> None:
    there = {"INFLUXDB_URL": "http://h:99999", "INFLUXDB_TOKEN": "any"}
    fails(run(data_dir, command, env=there), 1, "influxdb.url is not an address", "set influxdb.url")
    bracket = {"INFLUXDB_URL": "http://[::1", "INFLUXDB_TOKEN": "any"}
    fails(run(data_dir, command, env=bracket), 2, "influxdb.url in the environment cannot be read", "is not an address")
    from homeiq.errors import TargetRefused
    from homeiq.replayer.targets.influxdb import InfluxDBTarget
    from homeiq.replayer.targets.influxdb_http import InfluxDBRequests
    from homeiq.target_settings import InfluxDBSettings
    from urllib3 import PoolManager

    target = InfluxDBTarget(InfluxDBSettings(url="http://h:99999"))
    with pytest.raises(TargetRefused, match=r"influxdb\.url is not an address"):
        target._send(b"m v=1 1\n")
    target.close()
    with pytest.raises(TargetRefused, match=r"influxdb\.url is not an address"):
        InfluxDBRequests(InfluxDBSettings(url="http://h:99999"), PoolManager()).get("/health")


def test_long_work_is_interrupted() -> None:
    with pytest.raises(Stopped, match="stopped before the end: run it again"), long_work("run it again"):
        raise KeyboardInterrupt


def test_a_misspelt_variable(data_dir: Path) -> None:
    result = run(data_dir, "gaps", env={"HOMEIQ_HTTP__PROT": "1"})
    fails(run(data_dir, "status", env={"HOMEIQ_HTTP__PROT": "1"}), 2, "HOMEIQ_HTTP__PROT is not a setting", "__PORT")
    assert result.exit_code == 2


def test_a_log_whose_files_vanish_while_the_doctor_looks(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: object) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(log_facts, "_look_at", gone)
    with pytest.raises(LogCorrupt, match="files of the log vanish while they are read: try again"):
        log_facts.look_at(data_dir, DAY_0)


def test_settings_that_are_not_written(tmp_path: Path) -> None:
    there = tmp_path / "homeiq.yaml"
    there.write_text("")
    says_no: Any = SimpleNamespace(asks=True, confirm=lambda *arguments: False)
    options: Any = SimpleNamespace(force=False)
    with pytest.raises(UsageError, match="stays as it is: --config FILE writes another one"):
        init._where(there, options, says_no)
    with pytest.raises(SettingsError, match=r"cannot be written .*: name another by --config"):
        init._put(Files(), there / "below", "text")


@pytest.mark.parametrize(
    ("says", "sentence"), [("", "says nothing: is Home"), ("[]", "is not Home Assistant: something")]
)
def test_somebody_else_answers_init(says: str, sentence: str) -> None:
    def answer(connection: ServerConnection) -> None:
        if says:
            connection.send(says)

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(SourceError, match=sentence):
                init_home.greet(f"http://127.0.0.1:{server.socket.getsockname()[1]}")
        finally:
            server.shutdown()
            thread.join()


def test_an_influxdb_that_init_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetRefused, match="is not an address: "):
        init_influxdb.try_out("ftp://h", "any", "home", "home")
    orgs = SimpleNamespace(status=200, json={"orgs": [{"id": "1"}]}, body=b"")
    no = SimpleNamespace(status=403, json={}, body=b'{"message": "no"}')
    monkeypatch.setattr(init_influxdb, "product_of", lambda requests: ("InfluxDB", 2))
    monkeypatch.setattr(init_influxdb.InfluxDBRequests, "get", lambda *arguments, **options: orgs)
    monkeypatch.setattr(init_influxdb.InfluxDBRequests, "post", lambda *arguments, **options: no)
    with pytest.raises(TargetRefused, match=r"does not make bucket home .*no.*: make it there"):
        init_influxdb.make_bucket("http://h", "any", "home", "home")


def test_a_service_whose_user_cannot_run_it(tmp_path: Path) -> None:
    unit: Any = SimpleNamespace(
        command=[str(tmp_path / "none"), "run"], account="", environment=tmp_path / "environment"
    )
    with pytest.raises(service.ServiceError, match=r"the service's user cannot run .*none .*: see docs/service\.md"):
        service._check_as(unit)
