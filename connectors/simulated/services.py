"""What services do to the simulated home's entities: light.turn_on and its like. Pure.

A service works whoever calls it: a client, a person's app, an automation of the home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from ...clock import to_iso
from .stage import Stage
from .state import Attributes, Context

__all__ = ["SERVICES", "UnknownService", "call", "described"]

Handler = Callable[[Stage, str, dict[str, Any], Context], None]

_TEMPLATES: Final = ("sensor.washing_machine", "sensor.inside_average")
_TRAVEL: Final = {"lock": 1.8, "cover": 14.0}


class UnknownService(Exception):
    """The simulated home has no such service."""


def call(stage: Stage, domain: str, service: str, data: dict[str, Any], context: Context) -> None:
    """Fire call_service, and do it. Raises UnknownService; unknown entities are left out, as in Home Assistant."""
    handler = SERVICES.get((domain, service))
    if handler is None:
        raise UnknownService(f"{domain}.{service}")
    stage.fire("call_service", {"domain": domain, "service": service, "service_data": data}, context)
    if domain == "template":
        handler(stage, "", data, context)
        return
    for entity_id in _targets(stage, domain, data.get("entity_id")):
        if entity_id in stage.states and entity_id not in stage.offline:
            handler(stage, entity_id, data, context)


def described() -> dict[str, dict[str, Any]]:
    """Return what get_services answers."""
    answer: dict[str, dict[str, Any]] = {}
    for domain, service in sorted(SERVICES):
        name = service.replace("_", " ").capitalize()
        target = {} if domain == "template" else {"target": {"entity": [{"domain": [domain]}]}}
        answer.setdefault(domain, {})[service] = {"name": name, "description": f"{name}.", "fields": {}, **target}
    return answer


def _targets(stage: Stage, domain: str, asked: object) -> Iterable[str]:
    if asked == "all":
        return [entity_id for entity_id in stage.states if entity_id.startswith(f"{domain}.")]
    names = asked.split(",") if isinstance(asked, str) else asked if isinstance(asked, list) else ()
    found = [name.strip() for name in names if isinstance(name, str)]
    return [name for name in found if domain == "homeassistant" or name.startswith(f"{domain}.")]


def _light_on(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    changes: Attributes = {"color_mode": "color_temp"}
    percent = data.get("brightness_pct")
    brightness = data.get("brightness", None if percent is None else round(float(percent) * 2.55))
    if brightness is not None and int(brightness) <= 0:
        _light_off(stage, entity_id, data, context)
        return
    changes["brightness"] = min(255, int(brightness or stage.attribute(entity_id, "brightness", 180)))
    kelvin = data.get("color_temp_kelvin", data.get("kelvin"))
    changes["color_temp_kelvin"] = int(kelvin or stage.attribute(entity_id, "color_temp_kelvin", 2700))
    stage.change(entity_id, "on", context, **changes)


def _light_off(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    stage.change(entity_id, "off", context, brightness=None, color_mode=None, color_temp_kelvin=None)


def _fan_on(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    percentage = int(data.get("percentage", 66))
    stage.change(entity_id, "on" if percentage else "off", context, percentage=percentage)


def _fan_off(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    stage.change(entity_id, "off", context, percentage=0)


def _become(state: str, stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    stage.change(entity_id, state, context)


def _toggle(on: Handler, off: Handler, stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    (off if stage.value(entity_id) == "on" else on)(stage, entity_id, data, context)


def _any_domain(service: str, stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    handler = SERVICES.get((entity_id.partition(".")[0], service))
    if handler is not None:
        handler(stage, entity_id, data, context)


def _set_temperature(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    if "temperature" in data:
        stage.change(entity_id, data.get("hvac_mode"), context, temperature=float(data["temperature"]))


def _set_hvac_mode(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    mode = str(data.get("hvac_mode", "heat"))
    stage.change(entity_id, mode, context, hvac_action="off" if mode == "off" else "idle")


def _set_value(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    value = float(data.get("value", 0))
    low, high = stage.attribute(entity_id, "min", value), stage.attribute(entity_id, "max", value)
    stage.change(entity_id, str(max(low, min(high, value))), context)


def _select(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    stage.change(entity_id, str(data.get("option", "")), context)


def _move(moving: str, at_rest: str, stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    """Let a cover or lock travel: it arrives some seconds later, in the same context."""
    if stage.value(entity_id) == at_rest:
        return
    position = {"open": 100, "closed": 0}.get(at_rest)
    changes = {} if position is None else {"current_position": position}
    stage.change(entity_id, moving, context)
    stage.after(_TRAVEL[entity_id.partition(".")[0]], lambda: stage.change(entity_id, at_rest, context, **changes))


def _position(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    position = max(0, min(100, int(data.get("position", 0))))
    stage.change(entity_id, "open" if position else "closed", context, current_position=position)


def _play(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    changes: Attributes = {
        "media_content_type": data.get("media_content_type", "music"),
        "media_title": data.get("media_title", "Radio"),
        "media_position": 0,
        "media_position_updated_at": to_iso(stage.time),
    }
    changes["volume_level"] = stage.attribute(entity_id, "volume_level", 0.3)
    stage.change(entity_id, "playing", context, **changes)


def _rest(state: str, stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    old = stage.states[entity_id]
    kept = {name: value for name, value in old.attributes.items() if not name.startswith("media_")}
    stage.publish(entity_id, state, kept, context)


def _volume(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    stage.change(entity_id, None, context, volume_level=float(data.get("volume_level", 0.3)))


def _press(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    stage.change(entity_id, to_iso(stage.time), context)


def _install(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    latest = stage.states[entity_id].attributes.get("latest_version")
    stage.change(entity_id, None, context, in_progress=True)
    stage.after(95.0, lambda: stage.change(entity_id, "off", context, in_progress=False, installed_version=latest))


def _arm(state: str, stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    stage.change(entity_id, "arming", context)
    stage.after(30.0, lambda: _armed(stage, entity_id, state, context))


def _armed(stage: Stage, entity_id: str, state: str, context: Context) -> None:
    if stage.value(entity_id) == "arming":
        stage.change(entity_id, state, context)


def _reload(stage: Stage, entity_id: str, data: dict[str, Any], context: Context) -> None:
    """Take the template entities out and put them back, as a reload of their configuration does."""
    for template in _TEMPLATES:
        old = stage.known(template)
        if old is not None and stage.remove(template, context):
            stage.publish(template, old.state, old.attributes, context)


def _switchable(domain: str, on: Handler, off: Handler) -> dict[tuple[str, str], Handler]:
    return {
        (domain, "turn_on"): on,
        (domain, "turn_off"): off,
        (domain, "toggle"): partial(_toggle, on, off),
    }


_ON: Final[Handler] = partial(_become, "on")
_OFF: Final[Handler] = partial(_become, "off")

SERVICES: Final[dict[tuple[str, str], Handler]] = {
    **_switchable("light", _light_on, _light_off),
    **_switchable("fan", _fan_on, _fan_off),
    **_switchable("switch", _ON, _OFF),
    **_switchable("input_boolean", _ON, _OFF),
    **_switchable("automation", _ON, _OFF),
    **{("homeassistant", name): partial(_any_domain, name) for name in ("turn_on", "turn_off", "toggle")},
    ("fan", "set_percentage"): _fan_on,
    ("climate", "set_temperature"): _set_temperature,
    ("climate", "set_hvac_mode"): _set_hvac_mode,
    ("input_number", "set_value"): _set_value,
    ("number", "set_value"): _set_value,
    ("input_select", "select_option"): _select,
    ("cover", "open_cover"): partial(_move, "opening", "open"),
    ("cover", "close_cover"): partial(_move, "closing", "closed"),
    ("cover", "set_cover_position"): _position,
    ("lock", "lock"): partial(_move, "locking", "locked"),
    ("lock", "unlock"): partial(_move, "unlocking", "unlocked"),
    ("media_player", "turn_on"): partial(_become, "idle"),
    ("media_player", "turn_off"): partial(_rest, "off"),
    ("media_player", "media_play"): _play,
    ("media_player", "play_media"): _play,
    ("media_player", "media_pause"): partial(_become, "paused"),
    ("media_player", "media_stop"): partial(_rest, "idle"),
    ("media_player", "volume_set"): _volume,
    ("alarm_control_panel", "alarm_arm_away"): partial(_arm, "armed_away"),
    ("alarm_control_panel", "alarm_arm_home"): partial(_arm, "armed_home"),
    ("alarm_control_panel", "alarm_disarm"): partial(_become, "disarmed"),
    ("vacuum", "start"): partial(_become, "cleaning"),
    ("vacuum", "return_to_base"): partial(_become, "returning"),
    ("button", "press"): _press,
    ("scene", "turn_on"): _press,
    ("update", "install"): _install,
    ("template", "reload"): _reload,
}
