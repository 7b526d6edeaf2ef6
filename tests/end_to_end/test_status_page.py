"""The status page as a person sees it: a real recorder, a real follower, and Chromium."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from homeiq.clock import DAY, SystemClock, to_iso

from end_to_end.story import write_story
from servers.chromium import Page
from servers.homeiq import Homeiq
from servers.ports import free_port
from servers.simulated import SimulatedServer
from servers.web import request

HOSTILE = 'sensor.<img src=x onerror="window.hit=1">'
COVERED = "document.querySelectorAll('#coverage [data-gap]').length >= 2"
LIVE = "document.body.dataset.link === 'live' && !document.getElementById('main').hidden"
DIAGNOSED = "/^(Yes|No)/.test(document.getElementById('answer-text').textContent)"
RECORDS = "Number(document.querySelector('#figures div:nth-child(2) strong')?.textContent.replaceAll(',', ''))"


class Shown:
    """A home whose log has a past, recorded and followed."""

    def __init__(self, homeiq: Homeiq, url: str) -> None:
        self.homeiq = homeiq
        self.url = url

    def open(self, page: Page) -> None:
        """Open the page, and wait until it shows all that there is."""
        page.open(self.url)
        page.wait("live facts", LIVE)
        page.wait("the coverage", COVERED)
        page.wait("the diagnosis", DIAGNOSED)

    def post(self, entity_id: str, state: str) -> None:
        """Push a state."""
        event = {"event_type": "state_changed", "entity_id": entity_id, "new_state": {"state": state}}
        answer = request("POST", f"{self.url}events", body=event)
        assert answer.status == 201, answer.body


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    with (
        tempfile.TemporaryDirectory(prefix="home-") as name,
        SimulatedServer(speed=40) as home,
        Homeiq(Path(name), HOME_ASSISTANT_URL=home.url, HOME_ASSISTANT_TOKEN=home.token) as homeiq,
    ):
        homeiq.environment |= {"HOMEIQ_HTTP__PORT": str(free_port())}
        write_story(homeiq.data_dir, SystemClock().now(), per_hour=12)
        process = homeiq.start("run")
        yield Shown(homeiq, homeiq.url() + "/")
        assert homeiq.stop(process) == 0
        assert "error" not in homeiq.said().lower(), homeiq.said()


def test_it_answers_and_counts_live(shown: Shown, page: Page) -> None:
    shown.open(page)
    before = page.js(RECORDS)
    assert before > 1_000
    page.wait("the count to grow", f"{RECORDS} > {before}")
    flow = page.js("document.querySelector('#flow svg').getAttribute('aria-label')")
    assert [name for name in ("Home Assistant", "Recorder", "Log", "Follower", "Embedded") if name not in flow] == []
    page.wait("a rate", "/[0-9.]+ events\\/(s|min)/.test(document.querySelector('#flow svg').textContent)")
    words = ("Home Assistant", "Weather", "live", "simulated")
    shows = f"{json.dumps(words)}.every((word) => document.querySelector('#events').innerText.includes(word))"
    page.wait("events of each source and origin", shows, 120)  # counted once a minute
    assert "Projected" in page.text("#targets")
    assert page.problems == []
    assert {url for url in page.requests if not url.startswith(shown.url)} == set()


def test_a_gap_tells_why(shown: Shown, page: Page) -> None:
    shown.open(page)
    page.click("#ranges button:nth-child(3)")
    gap = "[data-gap^=home_assistant][aria-label*='could not be reached']"
    page.wait("the gap of last week", f"document.querySelector({json.dumps(gap)}) !== null")
    assert page.text("#gap") == ""
    page.click(f"{gap} .body")
    told = page.text("#gap")
    assert "its address could not be reached" in told
    assert "17 h 0 min" in told
    assert "Closed in part" in told
    assert "does not reach back so far" in told
    page.click("[data-gap^=recorder] .body")
    assert "the recorder ended without a word" in page.text("#gap")
    assert page.problems == []


def test_an_entity_is_never_html(shown: Shown, page: Page) -> None:
    shown.open(page)
    deadline = time.monotonic() + 60
    while HOSTILE not in page.text("#latest"):  # until a frame shows it: others push it out of the list
        assert time.monotonic() < deadline
        shown.post(HOSTILE, "<script>window.hit=2</script>")
        time.sleep(0.3)
    assert "<script>window.hit=2</script>" in page.text("#latest")
    assert page.js("document.querySelectorAll('main img, main script, main iframe').length") == 0
    assert page.js("window.hit ?? null") is None
    assert page.problems == []


@pytest.mark.parametrize("width", [390, 320])
def test_it_fits_a_phone(shown: Shown, page: Page, width: int) -> None:
    page.size(width, 844, scale=2, phone=True)
    shown.open(page)
    for number in (1, 2, 3, 4):
        page.click(f"#ranges button:nth-child({number})")
        assert page.js("document.documentElement.scrollWidth") == width
    small = "[...document.querySelectorAll('button')].filter((one) => one.offsetParent && one.offsetHeight < 24).length"
    assert page.js(small) == 0
    assert page.problems == []


CONTRAST = """
(() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const rect = at.matches?.("g.node") && at.querySelector("rect");
      const color = rgb(rect ? getComputedStyle(rect).fill : getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const one of document.querySelectorAll("body *")) {
    const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || !one.getClientRects().length || one.closest(".unseen, title, noscript")) continue;
    const style = getComputedStyle(one);
    const ink = rgb(one instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(one))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${one.tagName}.${one.getAttribute("class")}: ${one.textContent}`);
  }
  return poor;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_in_light_and_dark(shown: Shown, page: Page, scheme: str) -> None:
    page.prefer(color_scheme=scheme)
    shown.open(page)
    page.click("[data-gap^=home_assistant] .body")
    red = int(page.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]"))
    assert red > 200 if scheme == "light" else red < 60
    assert page.js(CONTRAST) == []


def test_it_is_used_with_the_keyboard_alone(shown: Shown, page: Page) -> None:
    shown.open(page)
    page.press("Tab")
    assert page.js("document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.js("document.activeElement.id") == "main"
    focused = "document.activeElement.closest('#ranges button')?.textContent"
    _tab_until(page, f"{focused} === '30 days'")
    page.press("Enter")
    assert page.js("document.activeElement.getAttribute('aria-pressed')") == "true"
    _tab_until(page, "document.activeElement.dataset?.gap?.startsWith('home_assistant')")
    first = page.js("document.activeElement.dataset.gap")
    page.press("ArrowRight")
    second = page.js("document.activeElement.dataset.gap")
    assert second.startswith("home_assistant")
    assert second != first
    assert page.js("getComputedStyle(document.activeElement.querySelector('.body')).strokeWidth") == "3px"
    page.press("Enter")
    assert "could not be reached" in page.text("#gap")
    page.press("Home", "Space")
    assert "it was stopped" in page.text("#gap")
    unnamed = (
        "[...document.querySelectorAll('button, a, input, progress, [role=button], [role=img], [role=group]')]"
        ".filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length"
    )
    assert page.js(unnamed) == 0


def _tab_until(page: Page, expression: str) -> None:
    for _ in range(40):
        page.press("Tab")
        if page.js(expression):
            return
    raise AssertionError(f"no Tab leads to {expression}")


def test_it_comes_back_after_the_recorder(tmp_path: Path, page: Page) -> None:
    with SimulatedServer(speed=40) as home, Homeiq(tmp_path, HOME_ASSISTANT_URL=home.url) as homeiq:
        homeiq.environment |= {"HOME_ASSISTANT_TOKEN": home.token, "HOMEIQ_HTTP__PORT": str(free_port())}
        process = homeiq.start("record")
        page.open(homeiq.url() + "/")
        page.wait("live facts", LIVE)
        page.wait("what is missing to be said", "/no diagnosis/.test(document.body.innerText)")
        assert "nothing follows the log" in page.js("document.querySelector('#flow svg').getAttribute('aria-label')")
        begun = time.monotonic()
        assert homeiq.stop(process) == 0
        assert time.monotonic() - begun < 30, "a page that listens holds nothing up"
        page.wait("the loss to be said", "/trying again/.test(document.getElementById('link').textContent)")
        homeiq.start("record")
        page.wait("it to be there again", LIVE)


def test_old_findings_are_said_to_be_old(tmp_path: Path, page: Page) -> None:
    old = to_iso(SystemClock().now() - DAY)
    with Homeiq(tmp_path) as homeiq:
        views = homeiq.data_dir / "views"
        views.mkdir(parents=True, mode=0o700)
        doctor = {"at": old, "answer": "Yes: all was well yesterday", "ok": True, "findings": []}
        (views / "doctor.json").write_text(json.dumps(doctor))
        coverage = {"at": old, "sources": [], "hours": [], "days": [], "left_out": 0}
        (views / "coverage.json").write_text(json.dumps(coverage))
        homeiq.start("record")
        page.open(homeiq.url() + "/")
        page.wait("live facts", LIVE)
        page.wait("its age", "/The last diagnosis is 1 d 0 h old/.test(document.body.innerText)")
        page.wait("the coverage's age", "/found out 1 d 0 h ago/.test(document.body.innerText)")
        assert "all was well yesterday" not in page.text(), "an old answer is none"
        assert "Home Assistant is not configured" in page.text("#reasons") or "home_assistant" in page.text("#reasons")
        assert page.js("document.title").startswith("✗")


def test_what_waits_and_what_was_refused(tmp_path: Path, page: Page) -> None:
    letter = {"normalizer": "home_assistant", "seq": 12, "time": to_iso(SystemClock().now()), "at": "", "reason": "no"}
    target = {
        **{"at": to_iso(SystemClock().now()), "name": "influxdb", "title": "the bucket home at http://10.0.0.7:8086"},
        **{"problem": "<b>it cannot be reached</b>", "written": 5, "position": 0, "windows": {"stale": 3, "done": 9}},
        "stale": [{"reason": "late records", "windows": 3, "days": 2, "first": "", "last": ""}],
        "requests": [
            {"id": 4, "state": "running", "done": 3, "windows": 12, "events": 900, "points": 5, "message": ""}
        ],
        "refused": 1234,
        "reasons": [{"reason": "field type conflict", "points": 1234}],
        "letters": [{**letter, "line": f"home_assistant_events,entity_id={HOSTILE} value=1"}],
        "failing": [{"normalizer": "mine", "windows": 1, "events": 7, "seq": 9, "sentence": "ValueError: <i>"}],
    }
    with Homeiq(tmp_path) as homeiq:
        (homeiq.data_dir / "views").mkdir(parents=True, mode=0o700)
        (homeiq.data_dir / "views" / "target-influxdb.json").write_text(json.dumps(target))
        homeiq.start("record")
        page.open(homeiq.url() + "/")
        page.wait("live facts", LIVE)
        page.wait("the target", "/InfluxDB/.test(document.getElementById('targets').innerText)")
        told = page.text("#targets")
        for words in (
            *(
                "It waits: <b>it cannot be reached</b>",
                "3 stale windows on 2 days: late records",
                "3 of 12 windows, 900 events",
            ),
            *("1,234 points refused", "1,234 × field type conflict"),
            *(HOSTILE, "such as record 9: ValueError: <i>"),
        ):
            assert words in told
        assert page.js("document.querySelectorAll('#targets :is(img, b, i)').length") == 0
        assert page.js("document.querySelector('#flow .node:last-of-type').getAttribute('class')") == "node wrong"
        assert page.problems == []


def test_with_a_token_it_asks_for_it(tmp_path: Path, page: Page) -> None:
    secret = "sesam-öffne-dich"
    with Homeiq(tmp_path, HOMEIQ_HTTP__TOKEN=secret) as homeiq:
        homeiq.start("record")
        page.open(homeiq.url() + "/")
        page.wait("the question", "!document.getElementById('token-form').hidden")
        assert page.js("document.activeElement.id") == "token"
        page.press("wrong", "Enter")
        page.wait("the refusal", "/not its token/.test(document.getElementById('token-wrong').textContent)")
        page.press(secret, "Enter")
        page.wait("live facts", LIVE)
        page.open(homeiq.url() + "/")
        page.wait("the tab to remember it", LIVE)
        asked = [url for url in page.requests if "sesam" in url]
        assert asked == []
        assert [problem for problem in page.problems if "401" not in problem] == []


def test_pictures_for_the_docs(shown: Shown, page: Page, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    folder = Path(pytestconfig.getoption("screenshots") or tmp_path)
    shown.open(page)
    page.wait("all to be projected", "/up to date/.test(document.querySelector('#targets').innerText)", 120)
    page.wait("a diagnosis made since", "!/must be made anew/.test(document.getElementById('answer').innerText)", 120)
    page.click("#ranges button:nth-child(3)")
    page.click("[data-gap^=home_assistant][aria-label*='could not be reached'] .body")
    page.js("scrollTo(0, 0)")
    page.screenshot(folder / "status-page.png")
    page.prefer(color_scheme="dark")
    page.screenshot(folder / "status-page-dark.png")
    page.prefer(color_scheme="light")
    page.size(390, 844, scale=1.5, phone=True)
    page.wait("the narrow drawing", "document.querySelector('#flow svg').clientWidth < 380")
    page.screenshot(folder / "status-page-phone.png", 1500)
    sizes = [os.stat(folder / f"status-page{kind}.png").st_size for kind in ("", "-dark", "-phone")]
    assert min(sizes) > 20_000
