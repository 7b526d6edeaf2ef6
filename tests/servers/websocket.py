"""What only Home Assistant's WebSocket API can do, for tests."""

import itertools
import json
from types import TracebackType
from typing import Any

from websockets.sync.client import connect

from .home_assistant import HomeAssistantServer

__all__ = ["Socket"]


class Socket:
    """An authenticated connection on which commands are asked one by one."""

    def __init__(self, server: HomeAssistantServer, token: str | None = None) -> None:
        """`token` is that of the server's administrator unless another one is given."""
        self._numbers = itertools.count(1)
        self._connecting = connect(server.websocket_url, proxy=None, max_size=None)
        self._token = token or server.token

    def __enter__(self) -> "Socket":
        self._socket = self._connecting.__enter__()
        json.loads(self._socket.recv(timeout=30))
        self._socket.send(json.dumps({"type": "auth", "access_token": self._token}))
        answer = json.loads(self._socket.recv(timeout=30))
        assert answer["type"] == "auth_ok", answer
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connecting.__exit__(kind, error, trace)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return a command's result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "type": command, **arguments}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == number and answer["type"] == "result":
                assert answer["success"], answer
                return answer["result"]

    def new_token(self, name: str) -> str:
        """Return a long-lived access token of that name."""
        token: str = self.ask("auth/long_lived_access_token", client_name=name, lifespan=10)
        return token

    def revoke(self, name: str) -> None:
        """Take the token of that name back."""
        (one,) = [token for token in self.ask("auth/refresh_tokens") if token["client_name"] == name]
        self.ask("auth/delete_refresh_token", refresh_token_id=one["id"])
