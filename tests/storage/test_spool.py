"""Events go in in any order, and come out in the order of their times; at one time, as they came."""

from homeiq.storage.record import Event
from homeiq.storage.spool import Spool
from hypothesis import given
from hypothesis import strategies as st


def event(time: int, number: int) -> Event:
    return Event(time, 9, "s", "import", "t", None, None, str(number))


@given(st.lists(st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_in_the_order_of_times(times: list[int]) -> None:
    made = [event(time, number) for number, time in enumerate(times)]
    with Spool() as spool:
        spool.add(made[:7])
        spool.add(made[7:])
        assert spool.count == len(made)
        assert list(spool.events(9)) == sorted(made, key=lambda one: one.time)


def test_more_than_a_page_and_left_before_the_end() -> None:
    with Spool() as spool:
        spool.add(event(n % 3, n) for n in range(12_000))
        found = spool.events(9)
        assert [next(found).raw for _ in range(6_000)][3_999:4_002] == ["11997", "1", "4"]
