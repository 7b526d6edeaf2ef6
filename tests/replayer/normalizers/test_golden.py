"""What each normalizer makes of its golden records is written down: a change of it is meant, or a mistake."""

import os
from pathlib import Path

import pytest
from homeiq.replayer.home import HOME_TYPES, Home
from homeiq.replayer.normalizers.base import Normalizer, SetAside, Summarizer
from homeiq.replayer.normalizers.registry import golden_lines, golden_records, normalizers

GOLDEN = Path(__file__).parent / "golden"

shipped = [normalizer for normalizer in normalizers() if type(normalizer).__module__.startswith("homeiq.")]
each = pytest.mark.parametrize("normalizer", shipped, ids=lambda normalizer: normalizer.name)


@each
def test_the_version_changes_with_what_is_made(normalizer: Normalizer) -> None:
    file = GOLDEN / f"{normalizer.name}.lp"
    made = "".join(f"{text}\n" for text in [f"# version {normalizer.version}", *golden_lines(normalizer)])
    if os.environ.get("RENEW_GOLDEN"):
        file.write_bytes(made.encode())
    expected = file.read_bytes().decode()
    if made != expected:
        raised = made.partition("\n")[0] != expected.partition("\n")[0]
        first = "" if raised else f"the golden output changed: raise {type(normalizer).__name__}.version; "
        lines = zip(made.splitlines(), expected.splitlines(), strict=False)
        changed = next((f"{new}\ninstead of\n{old}" for new, old in lines if new != old), "the number of lines")
        pytest.fail(f"{first}renew the expected lines with RENEW_GOLDEN=1 pytest {Path(__file__).name}\n{changed}")


@pytest.mark.parametrize(
    "normalizer",
    [normalizer for normalizer in shipped if not isinstance(normalizer, Summarizer)],
    ids=lambda normalizer: normalizer.name,
)
def test_every_golden_point_lies_within_the_declared_reach(normalizer: Normalizer) -> None:
    home = Home()
    records = golden_records(normalizer)
    home.learn_all(record for record in records if record.event_type in HOME_TYPES)
    reached = set()
    for record in filter(normalizer.wants, records):
        try:
            points = normalizer.normalize(record, home.at(record.time))
        except SetAside:
            continue
        assert points
        for point in points:
            assert -normalizer.back <= point.time // 1000 - record.time <= normalizer.ahead
            reached.add(point.series.measurement)
    assert reached == set(normalizer.measurements)
