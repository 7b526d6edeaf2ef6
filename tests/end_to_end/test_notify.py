"""The real commands under a service manager: ready, alive, stopping; and a process that hangs is not said to live."""

import signal
from pathlib import Path

import pytest

from servers.homeiq import Homeiq, wait_for
from servers.service_manager import NotifySocket


@pytest.mark.parametrize(("command", "abstract"), [("record", False), ("run", True)])
def test_a_service_manager_hears_how_it_is(command: str, abstract: bool, tmp_path: Path) -> None:
    address = f"@homeiq-{tmp_path.name}-{id(tmp_path)}" if abstract else str(tmp_path / "notify")
    settings = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"}
    with NotifySocket(address) as heard, Homeiq(tmp_path, **settings) as homeiq:
        process = homeiq.start(command)
        ready = heard.until("READY=1", 120)
        assert [facts for facts in ready if "READY=1" in facts] == [
            ["READY=1", f"STATUS=recording into {homeiq.data_dir}"]
        ]
        # Home Assistant is not there: recording depends on nothing.
        status = heard.until("WATCHDOG=1")[-1][0]
        assert status.startswith("STATUS=recording, ")
        assert "not ready: Home Assistant is not configured" in status
        for _ in range(3):
            heard.until("WATCHDOG=1")
        process.send_signal(signal.SIGSTOP)  # as a loop that stands still
        stat = Path(f"/proc/{process.pid}/stat")
        wait_for("it to stand still", lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
        heard.drain()
        with pytest.raises(TimeoutError):
            heard.next(3.0)
        process.send_signal(signal.SIGCONT)
        heard.until("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        heard.until("STOPPING=1")
        assert process.wait(60) == 0
        assert wait_for("the last words", lambda: "stopped; " in homeiq.said())
