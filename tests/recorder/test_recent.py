"""Which states were recorded lately, in bounded memory."""

from homeiq.recorder.recent import Recent
from homeiq.storage.record import Record


def test_half_is_remembered_at_least_and_the_rest_forgotten() -> None:
    recent = Recent(1_000)
    for number in range(100_000):
        recent.add(f"sensor.{number % 7}", number)
        assert len(recent) <= 1_000
    assert all(recent.whose(number) == f"sensor.{number % 7}" for number in range(99_500, 100_000))
    assert recent.whose(98_000) is None


def test_states_of_the_log_are_remembered() -> None:
    recent = Recent()
    for event_type, entity_id in (("state", "a.b"), ("state_changed", "c.d"), ("call_service", "e.f"), ("state", None)):
        time = len(recent) + 1 if entity_id else 99
        recent.learn([Record(1, time, 9, "x", "live", event_type, entity_id, None, "{}")])
    assert (recent.whose(1), recent.whose(2), recent.whose(3), recent.whose(99)) == ("a.b", "c.d", None, None)
