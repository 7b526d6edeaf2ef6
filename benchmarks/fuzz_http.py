"""Sends random and hostile requests to POST /events of a real recorder, kills it now and then, and looks at the log.

    python benchmarks/fuzz_http.py [SECONDS] [SEED]

Fails on an answer of 500, an event that was acknowledged and is not in the log (or twice, or another), and a recorder that
ends by itself.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homeiq.storage.reader import LogReader

CONNECTIONS = 24
KILL_SECONDS = 45.0
TEMPLATES: list[Any] = [
    {"event_type": "x"},
    {"event_type": "doorbell", "data": {"entity_id": "a.b", "n": 1.5e300, "t": "ü\u0000\u2028"}},
    {"event_type": "state_changed", "entity_id": "sensor.x", "new_state": {"state": "21.5", "attributes": {"u": "°C"}}},
    {
        "event_type": "state_changed",
        "entity_id": "a.b",
        "new_state": "on",
        "old_state": None,
        "time_fired": "2026-01-01",
    },
    {"event_type": "state_changed", "data": {"entity_id": "a.b", "new_state": None, "old_state": {"state": "1"}}},
    {
        "event_type": "state_changed",
        "entity_id": "a.b",
        "new_state": {"state": 7, "last_updated": "2026-01-01T00:00:00Z"},
    },
]
NASTY = [
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b'"\\ud800"', b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\n", b"\r\n"),
    *(
        b"[" * 3_000,
        b'{"a":' * 3_000,
        b"]",
        b"}",
        b",",
        b'"',
        b"\\",
        b"null",
        b"true",
        b'{"event_type":"homeiq_started"}',
    ),
    *(
        b'"time_fired":"9999-12-31T23:59:59-23:59",',
        b'"time_fired":7,',
        b'"data":[],',
        b'"new_state":{},',
        b"\xed\xa0\x80",
    ),
]


@dataclass
class Found:
    """What the recorder acknowledged, and what else it answered."""

    statuses: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[int, tuple[int, str]] = field(default_factory=dict)
    marks: int = 0
    wrong: list[str] = field(default_factory=list)


def mark_of(number: int) -> str:
    """Return a mark that shows whether it was changed on its way."""
    return f"{number:08x}{zlib.crc32(b'%d' % number):08x}"


def body_of(chance: random.Random, mark: str) -> bytes:
    """Return a body: in order, nearly in order, or rubbish."""
    events = [dict(chance.choice(TEMPLATES), mark=mark) for _ in range(chance.choice([1, 1, 1, 2, 5, 40]))]
    texts = [json.dumps(event, ensure_ascii=chance.random() < 0.5) for event in events]
    form = chance.random()
    text = texts[0] if form < 0.4 else "\n".join(texts) if form < 0.7 else f"[{', '.join(texts)}]"
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice([0, 0, 0, 0, 1, 1, 2, 8])):
        place = chance.randrange(len(body) + 1)
        end = min(len(body), place + chance.choice([0, 0, 1, 3, 30]))
        body[place:end] = chance.choice([*NASTY, bytes([chance.randrange(256)]), bytes(body[: chance.randrange(99)])])
    return bytes(body) if chance.random() > 0.02 else chance.randbytes(chance.randrange(20_000))


def request_of(chance: random.Random, body: bytes) -> bytes:
    """Return a request with this body."""
    head = ["POST /events" + chance.choice([""] * 8 + ["?origin=import", "?origin=live", "?%ff=%"]) + " HTTP/1.1"]
    head.append("Host: " + chance.choice(["localhost"] * 20 + ["evil.example", "[", ""]))
    if chance.random() < 0.3:
        head.append("Idempotency-Key: " + chance.choice([f"k{chance.randrange(500)}", "x" * chance.randrange(300), ""]))
    if chance.random() < 0.2:
        body = gzip.compress(body, 1) if chance.random() < 0.95 else gzip.compress(b" " * 20_000_000, 9)
        if chance.random() < 0.2:
            body = body[: chance.randrange(len(body))] + chance.randbytes(3)
        head.append("Content-Encoding: gzip")
    if chance.random() < 0.1:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 99]), body[i : i + 99]) for i in range(0, len(body), 99))
        head.append("Transfer-Encoding: chunked")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n"
    length = len(body) if chance.random() < 0.99 else chance.choice([-1, len(body) + 9, 10**20, len(body) // 2])
    head.append(f"Content-Length: {length}")
    request = "\r\n".join(head).encode() + b"\r\n\r\n" + body
    if chance.random() < 0.02:
        place = chance.randrange(len(request))
        request = request[:place] + chance.randbytes(2) + request[place:]
    return request


async def attack(port: int, chance: random.Random, found: Found, until: float) -> None:
    """Send requests, one connection each dozen or so, until it is time or the recorder is gone."""
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        try:
            for _ in range(chance.randrange(1, 25)):
                found.marks += 1
                mark = mark_of(found.marks)
                writer.write(request_of(chance, body_of(chance, mark)))
                if chance.random() < 0.02:
                    break  # gone without waiting
                async with asyncio.timeout(20):
                    if not note(await answer(reader), mark, found):
                        break
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            found.statuses["no answer"] += 1
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))


def note(answered: tuple[int, dict[str, str], bytes], mark: str, found: Found) -> bool:
    """Note an answer; tell whether the connection goes on."""
    status, headers, body = answered
    replayed = "idempotency-replayed" in headers
    found.statuses[f"{status}{' again' if replayed else ''}"] += 1
    if status == 500:
        found.wrong.append(f"500: {body!r}")
    if status == 201 and not replayed:
        said = json.loads(body)
        for seq in range(said["first_seq"], said["last_seq"] + 1):
            if seq in found.acknowledged:
                found.wrong.append(f"seq {seq} was acknowledged twice")
            found.acknowledged[seq] = (said["first_seq"], mark)
    return headers.get("connection") != "close" and status not in (400, 408, 413, 421)


def start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a recorder; return it and its port."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_"))}
    environment |= {"HOMEIQ_DATA_DIR": str(folder / "data"), "HOMEIQ_HTTP__PORT": "0", "HOME": str(folder)}
    said = folder / "said.log"
    before = said.read_text().count("listening on") if said.exists() else 0
    with said.open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "homeiq", "record"], env=environment, stderr=log, cwd=folder)
    while True:
        ports = re.findall(r"listening on \S+:(\d+)", said.read_text())
        if len(ports) > before:
            return process, int(ports[-1])
        time.sleep(0.05)


def resident(process: subprocess.Popen[bytes]) -> int:
    """Return the memory of a process in KiB."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[0])


async def session(port: int, chance: random.Random, found: Found, until: float) -> None:
    """Attack on all connections at once."""
    seeds = [chance.getrandbits(64) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(attack(port, random.Random(seed), found, until) for seed in seeds))


def compare(folder: Path, found: Found) -> int:
    """Look whether the log holds what was acknowledged; return how many records it holds."""
    total = 0
    for records in LogReader(folder / "data").read():
        for record in records:
            total += 1
            if record.seq != total:
                found.wrong.append(f"seq {record.seq} where {total} belongs")
            first_mark = found.acknowledged.pop(record.seq, None)
            if first_mark is not None and record.source != "pushed":
                found.wrong.append(f"seq {record.seq} is no pushed event")
            whole = [m for m in re.findall(r'"mark": "([0-9a-f]{16})"', record.raw) if m == mark_of(int(m[:8], 16))]
            if first_mark is not None and whole and first_mark[1] not in whole:
                found.wrong.append(f"seq {record.seq} holds {whole[-1]}, and was acknowledged to {first_mark[1]}")
    found.wrong += [f"seq {seq} was acknowledged and is not in the log" for seq in list(found.acknowledged)[:10]]
    return total


def main(seconds: float = 600.0, seed: int = 1) -> None:
    """Attack for so long, and say what came of it."""
    chance, found, kills = random.Random(seed), Found(), 0
    memory: list[int] = []
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while time.monotonic() < end:
            process, port = start(folder)
            asyncio.run(session(port, chance, found, min(end, time.monotonic() + KILL_SECONDS)))
            if process.poll() is not None:
                found.wrong.append(f"the recorder ended with {process.returncode}")
                break
            memory.append(resident(process))
            kills += 1
            process.send_signal(signal.SIGKILL)
            process.wait()
        acknowledged = len(found.acknowledged)
        total = compare(folder, found)
        traceback = "Traceback" in (folder / "said.log").read_text()
    print(f"{found.marks:,} requests, {kills} kills, seed {seed}")
    print(", ".join(f"{status}: {count:,}" for status, count in sorted(found.statuses.items())))
    print(
        f"{acknowledged:,} events acknowledged, {total:,} records in the log; memory {max(memory) // 1024} MiB at most"
    )
    if traceback or found.wrong:
        print("\n".join([*found.wrong[:20], "a traceback in what it said" if traceback else ""]))
        raise SystemExit(1)
    print("no 500, no loss, no crash")


if __name__ == "__main__":
    main(*(kind(text) for kind, text in zip((float, int), sys.argv[1:], strict=False)))
