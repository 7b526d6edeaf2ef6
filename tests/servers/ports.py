"""Ports for servers that are started, killed and started again on the same address."""

import random
import socket
from pathlib import Path

__all__ = ["free_port"]

_FIRST = 20_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_port() -> int:
    """Return a loopback port that nobody listens on, and that this process has not been given before.

    It lies below the system's ephemeral range. A client that keeps reconnecting to a server that is down could
    otherwise be given the server's own port as its source, connect to itself, and keep the server from coming back.
    """
    last = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32_768
    candidates = range(_FIRST, last) if last > _FIRST else range(1_024, last)
    for port in random.sample(candidates, k=min(1_000, len(candidates))):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError("no free port on the loopback address")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
