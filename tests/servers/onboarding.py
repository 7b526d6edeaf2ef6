"""Users of a Home Assistant, without a browser: the first one, and one without administrator rights."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from .web import Answer, request

__all__ = ["add_user", "onboard"]

_LIFESPAN_DAYS = 3650


def onboard(url: str) -> str:
    """Make the administrator of a Home Assistant that has none, and return a long-lived access token.

    Only the step that makes the user is taken. The next one (core_config) would set up integrations that reach for the
    internet: a weather service, a text-to-speech one, a list of radio stations.
    """
    client_id = url + "/"
    person = {"name": "Test", "username": "test", "password": "correct horse", "language": "en"}
    created = _must(request("POST", f"{url}/api/onboarding/users", body={"client_id": client_id, **person}))
    return _long_lived_token(url, created["auth_code"])


def add_user(url: str, token: str, name: str, group: str = "system-users") -> str:
    """Make another user, by an administrator's token, and return a long-lived access token of it.

    The members of `system-users` may use everything and administer nothing; those of `system-read-only` may only look.
    """
    with _entered(url, token) as socket:
        wanted = {"id": 1, "type": "config/auth/create", "name": name, "group_ids": [group]}
        user = _say(socket, wanted, until="result")["result"]["user"]
        login = {"username": name, "password": "correct horse"}
        wanted = {"id": 2, "type": "config/auth_provider/homeassistant/create", "user_id": user["id"], **login}
        _say(socket, wanted, until="result")
    client_id = url + "/"
    flow = {"client_id": client_id, "handler": ["homeassistant", None], "redirect_uri": client_id}
    number = _must(request("POST", f"{url}/auth/login_flow", body=flow))["flow_id"]
    done = _must(request("POST", f"{url}/auth/login_flow/{number}", body={"client_id": client_id, **login}))
    return _long_lived_token(url, done["result"])


def _long_lived_token(url: str, code: str) -> str:
    grant = {"grant_type": "authorization_code", "code": code, "client_id": url + "/"}
    short_lived = _must(request("POST", f"{url}/auth/token", form=grant))["access_token"]
    with _entered(url, short_lived) as socket:
        wanted = {"id": 1, "type": "auth/long_lived_access_token", "client_name": "homeiq", "lifespan": _LIFESPAN_DAYS}
        token: str = _say(socket, wanted, until="result")["result"]
    return token


@contextmanager
def _entered(url: str, token: str) -> Iterator[ClientConnection]:
    """Be connected to the WebSocket API, with this token."""
    with connect(url.replace("http", "ws", 1) + "/api/websocket", proxy=None) as socket:
        _say(socket, {"type": "auth", "access_token": token}, until="auth_ok")
        yield socket


def _must(answer: Answer) -> Any:
    if not answer.ok:
        raise RuntimeError(f"onboarding was answered with {answer.status}: {answer.body}")
    return answer.json()


def _say(socket: ClientConnection, message: dict[str, Any], *, until: str) -> dict[str, Any]:
    socket.send(json.dumps(message))
    while True:
        answer: dict[str, Any] = json.loads(socket.recv(timeout=30))
        if answer["type"] == until:
            return answer
        if answer["type"] != "auth_required":
            raise RuntimeError(f"onboarding was answered with {answer}")
