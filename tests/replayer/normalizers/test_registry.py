"""The fingerprint tells one state of a normalizer from another."""

import pytest
from homeiq.replayer.normalizers import described, home_assistant
from homeiq.replayer.normalizers.registry import fingerprint, golden_lines, golden_records, normalizers


@pytest.mark.parametrize("normalizer", normalizers(), ids=lambda normalizer: normalizer.name)
def test_each_ships_golden_records_and_says_of_each_what_it_makes(normalizer) -> None:
    records = golden_records(normalizer)
    ours = [record for record in records if normalizer.wants(record)]
    assert len(list(golden_lines(normalizer))) >= len(ours) > 10
    assert [record.seq for record in records] == list(range(1, len(records) + 1))


def test_the_fingerprint_is_the_same_each_time_and_changes_with_what_is_made(monkeypatch) -> None:
    one, other = home_assistant.NORMALIZER(), home_assistant.NORMALIZER()
    before = fingerprint(one)
    assert before == fingerprint(other) == fingerprint(one)
    assert before.startswith(f"{one.version}-")
    monkeypatch.setattr(described, "metric_attributes", lambda domain, attributes, home: (attributes, None))
    assert fingerprint(one) != before
    monkeypatch.undo()
    monkeypatch.setattr(type(one), "version", 77)
    assert fingerprint(one) == "77" + before[before.index("-") :]
