import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from homeiq.storage.log import EventLog
from homeiq.storage.reader import list_files
from homeiq.storage.record import EXPIRED, LOST
from homeiq.storage.verify import verify

from .crashes import SCENARIOS, Disk, Scenario, play
from .disks import FastFiles, Halt, contents, event, events


def acknowledged(scenario: Scenario, said: Path) -> int:
    lines = said.read_text().split() if said.exists() else []
    return int(lines[-1]) if lines else scenario.there


def holds_each_durable_record_once(scenario: Scenario, data_dir: Path, durable: int) -> None:
    """Open the log, append to it, and look at it as readers do; `contents` fails where a number is there twice or not."""
    with EventLog(data_dir, files=FastFiles()) as log:
        assert log.next_seq > durable
        log.append(events(log.next_seq, 1))
    if scenario.again:
        scenario.act(data_dir, FastFiles(), lambda seq: None)
    first = list_files(data_dir).first_seq
    assert all(map(scenario.going, range(1, first)))
    records = [record for record in contents(data_dir, first) if record.event_type not in (EXPIRED, LOST)]
    blank = {record.seq for record in records if record.event_type == "homeiq_blank"}
    assert blank == scenario.blank
    gone = {record.seq for record in records if record.event_type == "blank"}
    assert all(scenario.going(seq) for seq in gone)
    assert all(record.raw == event(record.seq).raw for record in records if record.seq not in blank | gone)
    assert verify(data_dir).findings == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_process_killed_before_any_operation_leaves_each_durable_record_once(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "storage.crashes", name, str(tmp_path)]
    child = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    operations = int(child.stdout)
    assert operations > 5
    for until in range(1, operations + 2):
        durable = acknowledged(SCENARIOS[name], tmp_path / f"{until}.said")
        holds_each_durable_record_once(SCENARIOS[name], tmp_path / str(until), durable)


CHOICES: dict[str, Callable[[list[str]], str]] = {
    "nothing that was not synced": lambda kinds: kinds[0],
    "everything": lambda kinds: kinds[1],
    "the lengths without the bytes": lambda kinds: kinds[-1],
    "some": random.Random(1).choice,
}


def interrupted(scenario: Scenario, folder: Path) -> Iterator[tuple[Disk, Path, Path]]:
    """Play a scenario, ended before each of its operations: yield its disk, its folder, and the file of what was said."""
    for until in range(1_000):
        root, said = folder / str(until) / "before", folder / f"{until}.said"
        root.parent.mkdir()
        disk = Disk(root)
        scenario.prepare(root, disk)
        disk.left = until
        try:
            play(scenario, root, disk, said)
        except Halt:
            yield disk, root, said
        else:
            assert until > 5
            return
        finally:
            disk.close_all()
    pytest.fail("it never ended")


@pytest.mark.parametrize("left", CHOICES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_power_loss_before_any_operation_leaves_each_durable_record_once(name: str, left: str, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    for disk, root, said in interrupted(scenario, tmp_path):
        after = disk.restart(root.parent / "after", CHOICES[left])
        holds_each_durable_record_once(scenario, after, acknowledged(scenario, said))


@pytest.mark.parametrize("name", SCENARIOS)
def test_power_loss_after_a_kill_and_another_run_leaves_each_durable_record_once(name: str, tmp_path: Path) -> None:
    """What the killed process had only renamed is seen by the next one, and is not durable for that."""
    scenario = SCENARIOS[name]
    for disk, root, said in interrupted(scenario, tmp_path):
        disk.left = None
        play(scenario, root, disk, said)
        after = disk.restart(root.parent / "after", CHOICES["nothing that was not synced"])
        holds_each_durable_record_once(scenario, after, acknowledged(scenario, said))
