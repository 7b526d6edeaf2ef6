"""A Home Assistant of the tests' own, in their own loop: it says what it is told to, is silent, and hangs up."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

__all__ = ["FakeHome", "large_home"]

REGISTRIES = ("area", "floor", "label", "device", "entity")


class FakeHome:
    """Answers commands by `answers`; those in `silent` never ("auth" among them), those in `refused` with that code.

    Attributes:
        asked: how often each command came.
        sent_bytes: what it has sent so far.
    """

    def __init__(self, states: list[dict[str, Any]], registries: dict[str, Any] | None = None) -> None:
        self.states = states
        self.answers: dict[str, Any] = {
            **{f"config/{name}_registry/list": (registries or {}).get(name, []) for name in REGISTRIES},
            "get_config": {"version": "2026.11.0", "time_zone": "UTC"},
            "get_states": states,
            "subscribe_events": None,
        }
        self.silent: set[str] = set()
        self.refused: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.sent_bytes = 0
        self._connections: set[ServerConnection] = set()
        self._subscriptions: dict[ServerConnection, int] = {}
        self._stack = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> "FakeHome":
        server: Server = await self._stack.enter_async_context(serve(self._serve, "127.0.0.1", 0, compression=None))
        (socket,) = server.sockets
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.drop()
        await self._stack.aclose()

    def drop(self) -> None:
        """Break all connections, as a Wi-Fi does."""
        for connection in list(self._connections):
            connection.transport.abort()

    async def fire(self, event_type: str, data: dict[str, Any], time_fired: str) -> None:
        """Send an event to everybody who has subscribed."""
        event = {"event_type": event_type, "data": data, "time_fired": time_fired}
        for connection, number in list(self._subscriptions.items()):
            await self._send(connection, {"type": "event", "event": event, "id": number})

    async def _serve(self, connection: ServerConnection) -> None:
        self._connections.add(connection)
        try:
            if "auth" not in self.silent:
                await self._send(connection, {"type": "auth_required", "ha_version": "2026.11.0"})
            await connection.recv()
            await self._send(connection, {"type": "auth_ok", "ha_version": "2026.11.0"})
            async for text in connection:
                await self._answer(connection, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self._connections.discard(connection)
            self._subscriptions.pop(connection, None)

    async def _answer(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        number, command = message["id"], message["type"]
        self.asked[command] += 1
        if command in self.silent:
            return
        if command == "ping":
            await self._send(connection, {"id": number, "type": "pong"})
            return
        code = self.refused.get(command, "" if command in self.answers else "unknown_command")
        if code:
            error = {"code": code, "message": "no"}
            await self._send(connection, {"id": number, "type": "result", "success": False, "error": error})
            return
        if command == "subscribe_events":
            self._subscriptions[connection] = number
        await self._send(connection, {"id": number, "type": "result", "success": True, "result": self.answers[command]})
        await asyncio.sleep(0)

    async def _send(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        text = json.dumps(message, separators=(",", ":"))
        self.sent_bytes += len(text)
        await connection.send(text)


def large_home(entities: int) -> FakeHome:
    """Return a home of so many entities, with states and registries of the size that they have in a real one."""
    time = "2026-11-23T15:48:33.184487+00:00"
    context = {"id": "01KAS3V0E0Q4Y8T3W4R5E6T7Y8", "parent_id": None, "user_id": None}
    states, listed, devices = [], [], []
    for number in range(entities):
        entity_id = f"sensor.device_{number // 5}_measurement_{number}"
        attributes = {
            "state_class": "measurement",
            "unit_of_measurement": "°C",
            "device_class": "temperature",
            "friendly_name": f"Device {number // 5} Measurement {number}",
        }
        states.append(
            {
                "entity_id": entity_id,
                "state": f"{number / 10}",
                "attributes": attributes,
                "last_changed": time,
                "last_reported": time,
                "last_updated": time,
                "context": context,
            }
        )
        names = ("aliases", "capabilities", "categories", "config_subentry_id", "entity_category", "hidden_by", "icon")
        listed.append(
            {
                **dict.fromkeys((*names, "area_id", "disabled_by", "name", "options", "translation_key"), None),
                "entity_id": entity_id,
                "id": f"{number:032x}",
                "device_id": f"{number // 5:032x}",
                "config_entry_id": "01JZ4YV8C0KQ7M1N2B3V4C5X6Z",
                "created_at": 1763900000.123456,
                "modified_at": 1763900000.123456,
                "has_entity_name": True,
                "labels": [],
                "original_name": f"Measurement {number}",
                "platform": "mqtt",
                "unique_id": f"0x00158d0001{number:06x}_temperature_zigbee2mqtt",
            }
        )
        if number % 5 == 0:
            device = {"id": f"{number // 5:032x}", "manufacturer": "Aqara", "model": "Weather", "sw_version": "3.0.1"}
            devices.append(
                device | {"area_id": None, "name": f"Device {number // 5}", "identifiers": [["mqtt", "x" * 20]]}
            )
    return FakeHome(states, {"entity": listed, "device": devices})
