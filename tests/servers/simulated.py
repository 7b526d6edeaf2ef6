"""The product's simulated Home Assistant, served from a thread of the test's own."""

import asyncio
import threading
from types import TracebackType
from typing import Any

from homeiq.clock import SystemClock
from homeiq.connectors.simulated import DEFAULT_TOKEN, Options, SimulatedHome, SimulatedHomeAssistant

from .web import Answer, request

__all__ = ["SimulatedServer"]


class SimulatedServer:
    """Has the methods of `HomeAssistantServer` that the contract tests use."""

    def __init__(
        self,
        *,
        speed: float = 1.0,
        seed: int = 1,
        port: int = 0,
        options: Options | None = None,
        token: str = DEFAULT_TOKEN,
    ) -> None:
        self.token = token
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        home = SimulatedHome(seed, SystemClock().now())
        self.server = SimulatedHomeAssistant(home, token=self.token, speed=speed, port=port, options=options)
        self.do(self.server.start())
        self.url = self.server.url
        self.websocket_url = self.url.replace("http", "ws") + "/api/websocket"

    def __enter__(self) -> "SimulatedServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def do(self, coroutine: Any) -> Any:
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def call_in_loop(self, function: Any, *arguments: Any) -> Any:
        """Call a function in the server's loop."""

        async def call() -> Any:
            return function(*arguments)

        return self.do(call())

    def kill(self) -> None:
        """End the server and its thread."""
        if not self.loop.is_closed():
            self.do(self.server.stop())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request to its REST API."""
        return request(method, self.url + path, body=body, headers={"Authorization": f"Bearer {self.token}"})

    def states(self) -> list[dict[str, Any]]:
        """Return all states."""
        return self.ask("GET", "/api/states").json()  # type: ignore[no-any-return]

    def set_state(self, entity_id: str, state: str, attributes: dict[str, Any] | None = None) -> Any:
        """Make an entity, or change it."""
        return self.ask("POST", f"/api/states/{entity_id}", {"state": state, "attributes": attributes or {}})

    def delete_state(self, entity_id: str) -> Any:
        """Remove an entity."""
        return self.ask("DELETE", f"/api/states/{entity_id}")

    def call(self, domain: str, service: str, data: dict[str, Any] | None = None) -> Any:
        """Call a service."""
        return self.ask("POST", f"/api/services/{domain}/{service}", data or {})
