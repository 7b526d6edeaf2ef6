// Listens to the recorder, keeps what it said last, and shows it.

import { drawFlow, flowOf } from "./flow.js";
import { el, length, Rates, show } from "./format.js";
import { showAnswer, showEvents, showFigures, showLatest, showTargets } from "./panels.js";
import { Stream } from "./stream.js";
import { RANGES, Timeline } from "./timeline.js";

const id = (name) => document.getElementById(name);
const views = new Map();
const speeds = new Rates();
const timeline = new Timeline(id("coverage"), id("gap"));
let now = null;
let rates = null;

function take(name, content) {
  if (name === "view") {
    views.set(content.name, content.content);
    if (content.name === "coverage") drawCoverage();
    return;
  }
  now = content;
  for (const known of views.keys()) if (!(known in now.views)) views.delete(known);
  rates = ratesOf(now);
  id("main").hidden = false;
  id("token-form").hidden = true;
  draw();
}

function ratesOf({ at, status }) {
  const seconds = Date.parse(at) / 1000;
  const events = (source) => status.events.filter((one) => one.source === source).reduce((sum, one) => sum + one.count, 0);
  const sources = Object.fromEntries(status.sources.map(({ name }) => [name, speeds.of(`source ${name}`, seconds, events(name))]));
  return {
    sources, pushed: speeds.of("pushed", seconds, events("pushed")),
    taken: speeds.of("taken", seconds, status.taken), durable: speeds.of("durable", seconds, status.durable_seq),
  };
}

const WRITES = 30; // seconds; a target may be written to every few seconds only
const CAUGHT_UP = 10; // seconds; a follower gathers for a moment what comes live

function targetsNow() {
  return [...views].filter(([name]) => name.startsWith("target-")).map(([name, target]) => {
    const { stale: old, age_seconds: age } = now.views[name] ?? { stale: true, age_seconds: 0 };
    const at = Date.parse(target.at) / 1000;
    const behind = Math.max(0, now.status.durable_seq - target.position);
    const upToDate = behind <= Math.max(1, CAUGHT_UP * (rates.durable ?? 0));
    return { ...target, old, age, behind, upToDate, speed: speeds.of(name, at, target.position, WRITES), points: speeds.of(`${name} points`, at, target.written, WRITES) };
  });
}

function draw() {
  const targets = targetsNow();
  id("version").textContent = now.status.version;
  showAnswer(now, views.get("doctor"), now.views.doctor);
  showFigures(now, rates, targets);
  const columns = flowOf(now, targets, rates);
  const width = id("flow").clientWidth;
  show(id("flow"), [columns, width], () => drawFlow(columns, width));
  showTargets(targets.map(({ at, written, age, ...rest }) => ({ ...rest, age: 60 * Math.floor(age / 60) })), now.status.durable_seq);
  showLatest(now.latest);
  showCoverageAge();
  if (!drawn && views.has("coverage")) drawCoverage();
}

function showCoverageAge() {
  const age = now.views.coverage;
  const words = !age ? "Not known (yet): the process that follows the log finds this out each minute."
    : age.stale ? `This was found out ${length(age.age_seconds)} ago: the process that does so does not seem to run.` : "";
  show(id("coverage-age"), words, () => words);
}

let drawn = false;

function drawCoverage() {
  const coverage = views.get("coverage");
  if (!coverage || id("main").hidden) return;
  drawn = true;
  const at = Date.parse(coverage.at) / 1000;
  timeline.draw(coverage, at);
  showEvents(coverage, timeline.span, at);
}

for (const [words, span] of Object.entries(RANGES)) {
  const choose = (event) => {
    timeline.span = span;
    for (const button of id("ranges").children) button.setAttribute("aria-pressed", button === event.currentTarget);
    drawCoverage();
  };
  id("ranges").append(el("button", { type: "button", "aria-pressed": String(span === timeline.span), onclick: choose }, words));
}

new ResizeObserver(() => { if (now) { draw(); drawCoverage(); } }).observe(id("flow"));

const stream = new Stream({
  onEvent: take,
  onState: (state, why) => {
    document.body.dataset.link = state;
    const words = { live: "live", away: `trying again: ${why}`, token: "token needed" }[state];
    show(id("link"), words, () => words);
    if (state === "away" && !now) id("main").hidden = true;
  },
  onTokenAsked: (wrong) => {
    id("main").hidden = true;
    id("token-form").hidden = false;
    id("token-wrong").textContent = wrong ? "That is not its token." : "";
    id("token").focus();
  },
});

id("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  stream.start(id("token").value);
  id("token").value = "";
});

stream.start();
