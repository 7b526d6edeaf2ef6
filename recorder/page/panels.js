// What is text and tables: the answer, the figures, where events came from, targets, what was recorded last.

import { bytes, clock, count, el, length, moment, plural, rate, show, title } from "./format.js";

const MARKS = { good: "M7 12.5l3.4 3.4L17 9", attention: "M12 6.5v6.5M12 16.4v.4", wrong: "M8.2 8.2l7.6 7.6M15.8 8.2l-7.6 7.6" };
const id = (name) => document.getElementById(name);

export function showAnswer(now, doctor, age) {
  const { status } = now;
  const findings = doctor?.findings ?? [];
  const state = !status.ready || (doctor && !doctor.ok) || findings.some((one) => one.severity === "wrong") ? "wrong"
    : findings.some((one) => one.severity === "attention") || !doctor || age?.stale ? "attention" : "good";
  const live = status.ready ? "It is connected and recording." : "It is not ready:";
  const sentence = doctor && !age.stale ? doctor.answer : live;
  id("answer").dataset.state = state;
  id("answer").querySelector(".mark path").setAttribute("d", MARKS[state]);
  show(id("answer-text"), sentence, () => sentence);
  const note = !doctor ? "There is no diagnosis (yet): the process that follows the log makes one each minute."
    : age.stale ? `The last diagnosis is ${length(age.age_seconds)} old: the process that makes it does not seem to run.`
      : `Diagnosed ${age.age_seconds < 5 ? "just now" : `${length(10 * Math.round(age.age_seconds / 10) || 5)} ago`}.`;
  show(id("answer-age"), note, () => note);
  show(id("reasons"), status.reasons, () => status.reasons.map((reason) => el("li", {}, reason)));
  const [urgent, fine] = [findings.filter((one) => one.severity !== "good"), findings.filter((one) => one.severity === "good")];
  show(id("findings"), urgent, () => urgent.map(finding));
  id("fine").hidden = !fine.length;
  show(id("fine").querySelector("summary"), fine.length, () => `${plural(fine.length, "check")} found nothing to do`);
  show(id("fine").querySelector("ul"), fine, () => fine.map(finding));
  announce(state);
  document.title = `${{ good: "✓", attention: "!", wrong: "✗" }[state]} homeiq`;
}

let announced = "";

function announce(state) {
  if (announced && announced !== state) {
    id("announced").textContent = { good: "All is well again.", attention: "Something needs attention.", wrong: "Something is wrong." }[state];
  }
  announced = state;
}

function finding(one) {
  return el("li", { class: one.severity }, el("p", {}, one.sentence, " ", el("code", { class: "code" }, one.code)), one.remedy.map(remedy));
}

function remedy(text) {
  const copy = navigator.clipboard
    ? el("button", { type: "button", "aria-label": `Copy: ${text}`, onclick: (event) => copied(event.currentTarget, text) }, "Copy") : null;
  return el("div", { class: "remedy" }, el("code", {}, text), copy);
}

async function copied(button, text) {
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
}

export function showFigures(now, rates, targets) {
  const { status } = now;
  const behind = targets.length ? Math.max(...targets.map((target) => target.behind)) : null;
  const figures = [
    ["Recorded now", rate(rates.taken), "records"],
    ["In the log", count(status.durable_seq), "records"],
    ["Not projected yet", behind === null ? "–" : count(behind), behind === null ? "nothing follows" : "records"],
    ["Disk left", bytes(status.disk.free_bytes), status.disk.days_left === null ? "days: not known yet" : daysLeft(status.disk.days_left)],
    ["Running for", length(status.uptime_seconds), `since ${clock(Date.parse(status.started_at) / 1000)}`],
  ];
  show(id("figures"), figures, () => figures.map(([name, value, unit]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, el("strong", {}, value), el("span", { class: "quiet" }, unit)))));
}

const daysLeft = (days) => (days > 3650 ? "more than 10 years" : `${count(Math.floor(days))} days at this rate`);

export function showEvents(coverage, span, now) {
  const hours = span <= 86400;
  const sums = new Map();
  for (const [source, origin, start, events] of hours ? coverage.hours : coverage.days) {
    if (start + (hours ? 3600 : 86400) > now - span) sums.set(`${source}\n${origin}`, (sums.get(`${source}\n${origin}`) ?? 0) + events);
  }
  const rows = [...sums].map(([key, events]) => [...key.split("\n"), events]).sort((a, b) => b[2] - a[2]);
  const most = Math.max(1, ...rows.map((row) => row[2]));
  show(id("events"), [rows, span], () => !rows.length ? el("p", { class: "quiet" }, "No event was recorded in this time.")
    : el("table", {}, el("caption", { class: "unseen" }, "Events recorded, by source and origin"),
      el("thead", {}, el("tr", {}, ["Source", "Origin"].map((name) => el("th", { scope: "col" }, name)), el("th", { scope: "col", class: "number" }, "Events"))),
      el("tbody", {}, rows.map(([source, origin, events]) => el("tr", {}, el("th", { scope: "row" }, title(source)), el("td", {}, el("span", { class: "origin" }, origin)),
        el("td", { class: "number" }, count(events), share(events / most)))))));
}

function share(part) {
  const bar = el("span", { class: "share", "aria-hidden": "true" });
  bar.style.setProperty("--part", part);
  return bar;
}

export function showTargets(targets, durable) {
  show(id("targets"), [targets.map(({ speed, points, ...rest }) => rest), durable], () => !targets.length
    ? el("p", { class: "quiet" }, "No process follows the log: homeiq run starts one beside the recorder.")
    : targets.map((target) => targetPanel(target, durable)));
}

function targetPanel(target, durable) {
  const facts = [];
  if (target.old) facts.push(el("p", { class: "problem" }, `Its follower has said nothing for ${length(target.age)}: what is shown was true then.`));
  if (target.problem) facts.push(el("p", { class: "problem" }, `It waits: ${target.problem}`));
  facts.push(labelled("Projected", target.position, durable, target.upToDate ? "up to date" : `${plural(target.behind, "record")} to go`));
  for (const request of target.requests) {
    facts.push(labelled(`Replay ${request.id}`, request.done, request.windows, `${count(request.done)} of ${plural(request.windows, "window")}, ${plural(request.events, "event")}`));
  }
  for (const one of target.stale) facts.push(el("p", {}, el("strong", {}, plural(one.windows, "stale window")), ` on ${plural(one.days, "day")}: ${one.reason}`));
  for (const one of target.failing ?? []) {
    facts.push(el("p", { class: "problem" }, `The normalizer ${one.normalizer} failed on ${plural(one.events, "event")}, such as record ${count(one.seq)}: ${one.sentence}`));
  }
  facts.push(...deadLetters(target));
  return el("article", {}, el("h3", {}, title(target.name)), el("p", { class: "quiet" }, target.title), facts);
}

function deadLetters(target) {
  if (!target.refused) return [el("p", { class: "quiet" }, target.stale.length ? "No point was refused." : "No window is stale, no point was refused.")];
  return [el("p", { class: "problem" }, `${plural(target.refused, "point")} refused (dead letters; homeiq dead-letters lists them):`),
    el("ul", { class: "letters" }, target.reasons.map((one) => el("li", {}, `${count(one.points)} × ${one.reason}`))),
    el("ul", { class: "letters" }, target.letters.map((one) => el("li", {}, `record ${count(one.seq)}, ${moment(Date.parse(one.time) / 1000)} `, el("code", {}, one.line))))];
}

function labelled(name, value, most, words) {
  return el("div", { class: "progress" }, el("div", { class: "line spread" }, el("span", {}, name), el("span", { class: "quiet" }, words)),
    el("progress", { value, max: Math.max(1, most), "aria-label": `${name}: ${words}` }));
}

export function showLatest(latest) {
  const rows = [...latest].reverse();
  show(id("latest"), rows, () => !rows.length ? el("p", { class: "quiet" }, "Nothing was recorded since the start.")
    : el("table", { class: "latest" }, el("caption", { class: "unseen" }, "The last events that were recorded"),
      el("colgroup", {}, ["when", "what", "state"].map((name) => el("col", { class: name }))),
      el("thead", {}, el("tr", {}, ["When", "What", "State"].map((name) => el("th", { scope: "col", class: name.toLowerCase() }, name)))),
      el("tbody", {}, rows.map((one) => el("tr", {}, el("td", { class: "quiet when" }, clock(one.received_at / 1e6)),
        el("td", { class: "what" }, one.entity_id ?? `${title(one.source)}: ${one.event_type}`), el("td", { class: "state" }, one.state ?? (one.entity_id ? (one.event_type === "state_changed" ? "removed" : one.event_type) : "")))))));
}
