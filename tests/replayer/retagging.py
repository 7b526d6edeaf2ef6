"""A later version of the normalizer for Home Assistant, in each way in which one may change what it makes."""

from typing import Any

from homeiq.clock import DAY
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.point import Point, Series

__all__ = ["HOW", "Another", "another"]


class Another(HomeAssistantNormalizer):
    """A later version: what it changes is chosen."""

    version = 99
    how: tuple[str, ...] = ()
    moved = "sensor.a"
    dropped = "light."

    def normalize(self, record: Any, home: Any) -> list[Point]:
        """Return the points, otherwise."""
        points = []
        for point in super().normalize(record, home):
            tags, fields, time = dict(point.series.tags), dict(point.fields), point.time
            measurement = point.series.measurement
            if "add a tag" in self.how:
                tags["floor"] = "first"
            if "remove a tag" in self.how:
                del tags["domain"]
            if "change a tag" in self.how:
                tags["area_id"] = tags["area_id"].upper()
            if "rename" in self.how:
                measurement = "ha"
            if "move" in self.how and self.moved in point.series.prefix:
                time += DAY * 1_000
            if "drop" in self.how and tags.get("entity_id", "").startswith(self.dropped):
                continue
            if "remove a field" in self.how:
                fields.pop("value", None)
            if "change a field" in self.how and "value" in fields:
                fields["value"] = float(fields["value"]) * 2
            points.append(Point(Series(measurement, tags), fields, time, point.seq))
        return points


HOW = ["add a tag", "remove a tag", "change a tag", "rename", "move", "drop", "remove a field", "change a field"]


def another(how: str, *, moved: str, dropped: str) -> type[Another]:
    """Return one that changes in one way: it moves entities whose series holds `moved`, or drops those of `dropped`."""
    moves: dict[str, Any] = {"by_entity": False, "ahead": DAY} if how == "move" else {}
    measurements = {"measurements": ("ha",)} if how == "rename" else {}
    return type("New", (Another,), {"how": (how,), "moved": moved, "dropped": dropped, **moves, **measurements})
