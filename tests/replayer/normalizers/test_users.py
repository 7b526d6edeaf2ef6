"""A user's own normalizers are loaded, told apart by their text, and refused in one sentence where they can't be used."""

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from homeiq.errors import SettingsError
from homeiq.replayer.home import Home
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.normalizers import registry
from homeiq.replayer.normalizers.base import Normalizer, Retired
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.registry import fingerprint, normalizers, problems_of, with_retired
from homeiq.replayer.normalizers.users import Unusable, file_names, load_file, load_files

from replayer.making import DAY_0, numbered, registries, state

DOCS = Path(__file__).parents[3] / "docs"
NAMES = [normalizer.name for normalizer in normalizers()]

SOLAR = """
from homeiq.replayer.normalizers.base import Normalizer, Reads
from homeiq.replayer.point import Point, Series

FACTOR = 2.0


class Solar(Normalizer):
    name = "solar"
    version = 1
    measurements = ("solar",)
    by_entity = True
    reads = Reads(("home_assistant",), ("state_changed",), ("sensor.a",))

    def normalize(self, record, home):
        return [Point(Series("solar", {"of": "roof"}), {"power": FACTOR * float(record.state)}, record.time * 1000, 0)]


NORMALIZER = Solar
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "normalizers").mkdir()
    return tmp_path / "normalizers"


def write(folder: Path, text: str = SOLAR, name: str = "solar") -> Path:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / f"{name}.py"


def solar_in(folder: Path, **sections: Any) -> Normalizer:
    found = normalizers(lambda name: sections.get(name, {}), folder=folder)
    assert problems_of(found) == []
    return next(one for one in found if one.name == "solar")


def problem_in(folder: Path, text: str, name: str = "solar", **sections: Any) -> str:
    write(folder, text, name)
    found = normalizers(lambda name: sections.get(name, {}), folder=folder)
    assert [one.name for one in found] == NAMES, "the rest goes on"
    (said,) = problems_of(found)
    assert "\n" not in said
    return said


def test_a_file_is_a_normalizer_beside_the_others(folder: Path) -> None:
    write(folder)
    write(folder, "raise ValueError", "_notes")
    (folder / "README.md").write_text("none")
    found = normalizers(folder=folder)
    assert [one.name for one in found] == sorted([*NAMES, "solar"])
    (record,) = numbered([state("sensor.a", "21", DAY_0, "live")])
    (point,) = solar_in(folder).normalize(record, Home().at(DAY_0))
    assert (point.fields, point.seq) == ({"origin": "live", "power": 42.0}, record.seq)
    assert [one.name for one in normalizers()] == NAMES


def test_its_fingerprint_is_that_of_the_text_that_was_loaded(folder: Path) -> None:
    path = write(folder)
    first = solar_in(folder)
    before = fingerprint(first)
    assert fingerprint(solar_in(folder)) == before
    path.write_text(SOLAR.replace("FACTOR = 2.0", "FACTOR = 3.0"))
    assert fingerprint(first) == before, "it still makes what it made"
    assert fingerprint(solar_in(folder)) != before, "though the class is the same"


def test_what_it_is_built_upon_is_in_its_fingerprint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer\n"
    text += (
        'class Solar(HomeAssistantNormalizer):\n    name = "solar"\n    version = 1\n    measurements = ("solar",)\n'
    )
    write(folder, f"{text}NORMALIZER = Solar\n")
    before = fingerprint(solar_in(folder))
    monkeypatch.setattr(HomeAssistantNormalizer, "version", 77)
    assert fingerprint(solar_in(folder)) != before


def test_a_plug_ins_fingerprint_is_that_of_its_whole_module(monkeypatch: pytest.MonkeyPatch) -> None:
    from replayer import kinds

    assert "def forecast(" in registry.source_of(kinds.Forecasts())
    monkeypatch.delitem(sys.modules, kinds.__name__)
    assert registry.source_of(kinds.Forecasts()) == "Forecasts"


BODY = SOLAR.partition("FACTOR = 2.0")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def (", "line 1: SyntaxError: invalid syntax"),
        ("\n\nx = 1 / 0", "line 3: ZeroDivisionError: division by zero"),
        ("import no_such_module", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "line 1: SystemExit: 3"),
        ("\0", "null bytes"),
        ("", "NORMALIZER is no subclass of homeiq.replayer.normalizers.base.Normalizer"),
        ("NORMALIZER = dict", "NORMALIZER is no subclass"),
        (f"{BODY}NORMALIZER = Normalizer", "it has no method normalize"),
        ("from homeiq.replayer.normalizers.smart_meter import NORMALIZER", "a Summarizer is for meters"),
        (SOLAR.replace('"solar"\n', '"sun"\n'), "its name must be solar"),
        (SOLAR.replace("version = 1", "version = '1'"), "its version must be an integer"),
        (SOLAR.replace('("solar",)', '"solar"'), "its measurements must be a tuple"),
        (SOLAR.replace('("solar",)', '("weather",)'), "the measurement weather belongs to weather"),
        (
            SOLAR.replace('("solar",)', '("home_assistant_events",)'),
            "belongs to home_assistant: two cannot write to one",
        ),
        (SOLAR.replace('("solar",)', '("homeiq_target",)'), "the measurement homeiq_target belongs to homeiq"),
        (SOLAR.replace('("solar",)', '("#x",)'), "a database cannot hold a measurement named '#x'"),
        (SOLAR.replace("by_entity = True", "ahead = 1.5"), "its ahead must be microseconds, and a year at most"),
        (SOLAR.replace("by_entity = True", "back = 10**20"), "its back must be microseconds, and a year at most"),
        (SOLAR.replace("by_entity = True", 'of_home = ("x",)'), "its of_home may name config"),
        (re.sub("reads = .*", "reads = None", SOLAR), "its reads must be a Reads"),
        (SOLAR.replace('("sensor.a",)', '"sensor.a"'), "its reads must be tuples of texts"),
        (SOLAR.replace('("state_changed",)', "()"), "its reads must be tuples of texts, and name an event type"),
        (
            SOLAR.replace("def normalize", "def __init__(self, section): 1 / 0\n\n    def normalize"),
            "ZeroDivisionError",
        ),
    ],
)
def test_one_that_cannot_be_used_is_said_and_the_rest_goes_on(folder: Path, text: str, said: str) -> None:
    problem = problem_in(folder, text)
    assert problem.startswith("the normalizer solar cannot be used")
    assert said in problem


def test_a_name_that_is_taken_is_refused(folder: Path) -> None:
    said = problem_in(folder, SOLAR.replace('name = "solar"', 'name = "weather"'), "weather")
    assert "there is a normalizer of this name already: give it another one" in said


def test_two_files_cannot_write_to_one_measurement(folder: Path) -> None:
    write(folder)
    write(folder, SOLAR.replace('name = "solar"', 'name = "sun"'), "sun")
    found = load_files(folder, {})
    assert list(found.classes) == ["solar"]
    assert "the measurement solar belongs to solar" in found.unusable["sun"]


def test_it_may_have_a_section_of_homeiq_yaml(folder: Path) -> None:
    text = SOLAR.replace("import Normalizer, Reads", "import Normalizer, NormalizerSettings, Reads")
    text = text.replace("class Solar(", "class Settings(NormalizerSettings):\n    panels: int = 1\n\n\nclass Solar(")
    text = text.replace("    version = 1", "    version = 1\n    settings_model = Settings")
    write(folder, text)
    assert solar_in(folder, solar={"panels": "7"}).settings.panels == 7  # type: ignore[attr-defined]
    assert fingerprint(solar_in(folder, solar={"panels": 7})) != fingerprint(solar_in(folder))
    assert "solar.panel is not a setting: did you mean panels?" in problem_in(folder, text, solar={"panel": 7})
    assert "solar.panels cannot be read" in problem_in(folder, text, solar={"panels": "many"})
    assert "solar.x is not a setting: it has none" in problem_in(folder, SOLAR, solar={"x": 7})


def test_a_section_that_cannot_be_handed_out_concerns_nobody_else(folder: Path) -> None:
    write(folder)

    def section(name: str) -> dict[str, Any]:
        if name == "solar":
            raise SettingsError("solar.key_file names x, which cannot be read")
        return {}

    (said,) = problems_of(normalizers(section, folder=folder))
    assert "solar.key_file names x" in said


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    found = normalizers(folder=tmp_path / "none")
    assert [one.name for one in found] == NAMES
    assert "cannot be read (No such file or directory): none of its normalizers is used" in problems_of(found)[0]
    assert file_names(None) == []


def test_what_one_wrote_that_cannot_be_used_stays(folder: Path, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "target")
    for name in ("solar", "gone"):
        ledger.introduce(name, [f"{name}_measurement"])
    write(folder, "x = 1 / 0")

    def retired(where: Path) -> list[str]:
        known = with_retired(normalizers(folder=where), ledger)
        return [one.name for one in known if isinstance(one, Retired)]

    assert retired(folder) == ["gone"]
    assert retired(tmp_path / "none") == [], "nobody knows which there would be"
    (folder / "solar.py").unlink()
    assert retired(folder) == ["gone", "solar"]
    ledger.close()


@pytest.mark.parametrize(
    ("name", "value", "usable"),
    [
        ("forecasts", "replayer.kinds:Forecasts", True),
        ("other", "replayer.kinds:Forecasts", False),
        ("meters", "replayer.kinds:Meters", False),
        ("none", "replayer.kinds:NoSuch", False),
        ("none", "no_such_module:X", False),
    ],
)
def test_a_plug_in_that_cannot_be_used_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, usable: bool
) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint(name, value, group)])
    registry._shipped.cache_clear()
    try:
        found = normalizers()
        assert (name in [one.name for one in found]) is usable
        assert registry.is_unusable_plugin(name) is not usable
        assert {*NAMES} <= {one.name for one in found}
        assert len(problems_of(found)) == (not usable)
    finally:
        registry._shipped.cache_clear()


def test_the_example_in_the_docs_works(folder: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "normalizers.md").read_text(encoding="utf-8"), re.DOTALL)
    write(folder, block)
    example = solar_in(folder)
    home = Home()
    home.learn_all(numbered(registries(DAY_0)))
    (record,) = numbered([state("sensor.inverter", "on", DAY_0, attributes={"produced_w": 900, "exported_w": 300})])
    assert example.wants(record)
    (point,) = example.normalize(record, home.at(DAY_0))
    assert point.fields == {"origin": "live", "produced_w": 900.0, "own_use_w": 600.0}
    assert point.series.tags == {"area": "none"}


def test_a_file_is_read_once(folder: Path) -> None:
    with pytest.raises(Unusable, match="FileNotFoundError"):
        load_file(folder / "none.py", {})
