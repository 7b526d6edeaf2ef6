"""Makes a real Home Assistant busy, and hears it independently of the product."""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect

from servers.home_assistant import HomeAssistantServer
from servers.simulated import SimulatedServer

__all__ = ["Subscriber", "busy", "hear"]

CALLS = (
    ("light", "turn_on", "light.bed_light", "brightness", 1, 255),
    ("light", "turn_on", "light.kitchen_lights", "brightness", 1, 255),
    ("number", "set_value", "number.volume", "value", 0, 100),
    ("climate", "set_temperature", "climate.heatpump", "temperature", 60, 85),
    ("humidifier", "set_humidity", "humidifier.humidifier", "humidity", 10, 90),
    ("media_player", "volume_set", "media_player.walkman", "volume_level", 0, 1),
)


@dataclass
class Subscriber:
    """Every event's text as it was received, cut out of the frame by means of its own."""

    texts: list[str] = field(default_factory=list)


async def _authenticated(server: HomeAssistantServer | SimulatedServer) -> ClientConnection:
    socket = await connect(server.websocket_url, max_size=None, compression=None, max_queue=None)
    json.loads(await socket.recv())
    await socket.send(json.dumps({"type": "auth", "access_token": server.token}))
    assert json.loads(await socket.recv())["type"] == "auth_ok"
    return socket


async def hear(server: HomeAssistantServer | SimulatedServer, subscriber: Subscriber, started: asyncio.Event) -> None:
    """Collect events until cancelled."""
    socket = await _authenticated(server)
    try:
        await socket.send(json.dumps({"id": 1, "type": "subscribe_events"}))
        assert json.loads(await socket.recv())["success"]
        started.set()
        while True:
            frame = await socket.recv()
            assert isinstance(frame, str)
            start = frame.index('"event":{') + len('"event":')
            _, end = json.JSONDecoder().raw_decode(frame, start)
            subscriber.texts.append(frame[start:end])
    finally:
        await socket.close()


async def busy(server: HomeAssistantServer, seconds: float, seed: int = 1) -> int:
    """Call services as fast as they are answered, a window of them at a time; return how many."""
    chance = random.Random(seed)
    calls = 0
    async with contextlib.AsyncExitStack() as sockets:
        socket = await _authenticated(server)
        sockets.push_async_callback(socket.close)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            window = 20
            for _ in range(window):
                calls += 1
                domain, service, entity_id, name, low, high = chance.choice(CALLS)
                value = chance.random() if high == 1 else chance.randint(low, high)
                data = {"entity_id": entity_id, name: value}
                message = {
                    "id": calls,
                    "type": "call_service",
                    "domain": domain,
                    "service": service,
                    "service_data": data,
                }
                await socket.send(json.dumps(message))
            for _ in range(window):
                await socket.recv()
    return calls
