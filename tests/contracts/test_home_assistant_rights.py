"""What a real Home Assistant lets a token without administrator rights hear and read, and what homeiq says about it."""

import asyncio
import json
import subprocess

import pytest
from homeiq.connectors.home_assistant.subscription import VISIBLE_WITHOUT_ADMIN

from contracts.test_home_assistant import Heard, listen, until
from servers.home_assistant import INSTALLATION, HomeAssistantServer
from servers.onboarding import add_user

NOT_OFFERED = ("category_registry_updated", "floor_registry_updated", "label_registry_updated")
"""Since 2024.8 (home-assistant/core#123267), not in 2024.3.3."""


@pytest.fixture(scope="module")
def tokens(home_assistant: HomeAssistantServer) -> dict[str, str]:
    """A token of a member of each group without administrator rights."""
    groups = ("system-users", "system-read-only")
    return {group: add_user(home_assistant.url, home_assistant.token, group, group) for group in groups}


def test_what_may_be_subscribed_to_is_known(home_assistant: HomeAssistantServer) -> None:
    """The list of the installed version, read by its own Python."""
    script = "import json, homeassistant.auth.permissions.events as e; print(json.dumps([*e.SUBSCRIBE_ALLOWLIST]))"
    python = INSTALLATION.path.parent / "python"
    allowed = json.loads(subprocess.check_output([python, "-I", "-c", script], text=True))
    assert set(allowed) | set(NOT_OFFERED) == set(VISIBLE_WITHOUT_ADMIN)


@pytest.mark.parametrize("group", ["system-users", "system-read-only"])
def test_without_administrator_rights(home_assistant: HomeAssistantServer, tokens: dict[str, str], group: str) -> None:
    server = home_assistant
    whole = {state["entity_id"] for state in server.states()}
    entity = f"sensor.rights_{group.replace('-', '_')}"

    async def act(heard: Heard) -> None:
        await asyncio.to_thread(server.set_state, entity, "1")
        await until(lambda: heard.of("state_changed", entity))
        await asyncio.to_thread(server.call, "light", "turn_on", {"entity_id": "light.bed_light"})
        await asyncio.to_thread(server.set_state, entity, "2")
        await until(lambda: len(heard.of("state_changed", entity)) == 2)

    try:
        heard = listen(server, act, token=tokens[group])
    finally:
        server.delete_state(entity)
    (facts,) = heard.connections
    assert facts["event_types"] == tuple(name for name in VISIBLE_WITHOUT_ADMIN if name not in NOT_OFFERED)
    assert {event.entity_id for event in heard.of("state")} >= whole, "all states can be read"
    for name in ("area", "device", "entity", "floor", "label"):
        assert len(heard.of(f"{name}_registry")) == 1, "all registries can be read"
    assert not heard.of("call_service")
    (warning,) = heard.warnings
    assert "no administrator rights" in warning
    assert f"and not {', '.join(NOT_OFFERED)};" in warning
    assert tokens[group] not in warning


def test_with_administrator_rights_nothing_is_said(home_assistant: HomeAssistantServer) -> None:
    async def act(heard: Heard) -> None:
        pass

    heard = listen(home_assistant, act)
    assert heard.warnings == []
    assert "event_types" not in heard.connections[0]
