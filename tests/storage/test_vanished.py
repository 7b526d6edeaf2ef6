"""What the log says that it does not hold any more, from its own words alone."""

from typing import Any

from homeiq.clock import DAY
from homeiq.storage.record import Record, housekeeping_event
from homeiq.storage.vanished import ANY, Forgotten, vanished_of


def word(seq: int, what: str, **facts: Any) -> Record:
    event = housekeeping_event(seq, "recorder", what, **facts)
    return Record(seq, *(getattr(event, name) for name in type(event).__slots__))


GUEST = {"entity": "person.guest", "since": None, "until": 7}
OTHER = {"entity": "person.guest", "since": None, "until": None}


def test_what_was_begun_is_unfinished_until_the_same_is_said_to_be_done() -> None:
    begun = [word(3, "forgetting", **GUEST, records=9), word(5, "forgetting", **OTHER, records=2)]
    assert vanished_of(begun).unfinished == (
        Forgotten(3, "person.guest", None, 7, 9, 3),
        Forgotten(5, "person.guest", None, None, 2, 5),
    )
    done = vanished_of([*begun, word(8, "forgotten", **GUEST, records=9, before=3)])
    assert done.unfinished == (Forgotten(5, "person.guest", None, None, 2, 5),)
    assert done.forgotten == (Forgotten(8, "person.guest", None, 7, 9, 3),)


def test_begun_twice_it_means_all_that_was_there_the_second_time_and_counts_what_the_first_found() -> None:
    twice = [word(3, "forgetting", **GUEST, records=9), word(20, "forgetting", **GUEST, records=4)]
    (both,) = vanished_of(twice).unfinished
    assert both == Forgotten(20, "person.guest", None, 7, 9, 20)
    assert vanished_of([*twice, word(21, "forgotten", **GUEST, records=9, before=3)]).unfinished == (both,)
    assert vanished_of([*twice, word(21, "forgotten", **GUEST, records=9, before=20)]).unfinished == ()


def test_where_something_is_left_it_is_forgotten_and_unfinished() -> None:
    said = vanished_of([word(3, "forgetting", **GUEST, records=9), word(4, "forgotten", **GUEST, records=5, left=True)])
    assert [one.seq for one in said.forgotten] == [4]
    assert [one.seq for one in said.unfinished] == [3]


def test_what_is_lost_is_gone_as_what_has_expired_is_and_may_have_been_anything() -> None:
    said = vanished_of([word(3, "lost", first=1, last=2, records=2, rows=[[ANY, ANY, ANY, 0, DAY]])])
    (lost,) = said.expired
    assert (lost.start, lost.end) == (0, 2 * DAY)
    assert lost.may_be("weather", "poll")
    assert lost.may_be(None, "state_changed")
    assert vanished_of([word(3, "lost", first=1, last=2)]).expired == (), "the end of a tail"
