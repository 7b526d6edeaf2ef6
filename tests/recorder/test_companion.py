"""The second process of `run` is started again when it dies, and asked to finish at the end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from homeiq.recorder import companion as module
from homeiq.recorder.companion import Companion

PROGRAM = """
import os, signal, sys, pathlib, time
folder = pathlib.Path(sys.argv[1])
(folder / f"started-{time.monotonic_ns()}").touch()
def end(*_):
    (folder / "drained").touch()
    sys.exit(0)
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, end)
(folder / f"ready-{os.getpid()}").touch()
while True:
    time.sleep(0.01)
"""


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["willing", "stubborn"])
def test_started_again_and_ended(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CAP_SECONDS", 0.01)

    async def session() -> None:
        companion = Companion([sys.executable, "-c", PROGRAM, str(tmp_path), kind], "the companion")
        running = asyncio.create_task(companion.run())
        for number in range(1, 4):
            await until(lambda number=number: len(list(tmp_path.glob("started-*"))) == number)
            assert companion.process_id is not None
            assert os.getpgid(companion.process_id) != os.getpgid(0), "Ctrl-C must not reach it"
            if number < 3:
                os.kill(companion.process_id, signal.SIGKILL)
        await until((tmp_path / f"ready-{companion.process_id}").exists)
        await companion.end(0.5 if kind == "stubborn" else 10)
        await running
        assert companion.process_id is None

    asyncio.run(session())
    assert (tmp_path / "drained").exists() == (kind == "willing")
