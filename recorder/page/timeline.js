// When each source was listened to: a row for each, with its gaps. A click or Enter tells why.

import { count, el, length, moment, plural, svg, title } from "./format.js";

const DAY = 86400;
const [ROW, BARS] = [22, 46];
const NEAR = 3; // pixels; gaps that lie closer together are told together
export const RANGES = { "24 h": DAY, "7 days": 7 * DAY, "30 days": 30 * DAY, "1 year": 365 * DAY };

export class Timeline {
  constructor(element, detail) {
    Object.assign(this, { element, detail, span: DAY, chosen: null });
  }

  draw(coverage, now) {
    const focused = document.activeElement?.closest?.("[data-gap]")?.dataset.gap;
    this.now = now;
    const labels = this.element.clientWidth < 640 ? 0 : 150;
    this.width = Math.max(120, this.element.clientWidth - labels - (labels ? 76 : 0));
    const rows = coverage.sources.map((source) => this.#row(source));
    this.element.replaceChildren(this.#bars(coverage), ...rows, this.#axis(), legend());
    if (focused) this.element.querySelector(`[data-gap="${CSS.escape(focused)}"]`)?.focus();
  }

  #x(at) {
    return Math.max(0, Math.min(this.width, ((at - this.now + this.span) / this.span) * this.width));
  }

  #bars(coverage) {
    const unit = this.span > DAY ? DAY : 3600;
    const sums = new Map();
    for (const [, , start, events] of this.span > DAY ? coverage.days : coverage.hours) {
      if (start + unit > this.now - this.span) sums.set(start, (sums.get(start) ?? 0) + events);
    }
    const most = Math.max(1, ...sums.values());
    const bars = [...sums].map(([start, events]) => {
      const [from, to] = [this.#x(start), this.#x(Math.min(start + unit, this.now))];
      const height = Math.max(1.5, (events / most) * BARS);
      return svg("rect", { x: from, y: BARS - height, width: Math.max(1, to - from - 1.5), height, rx: 1 },
        svg("title", {}, `${moment(start)}: ${plural(events, "event")}`));
    });
    const words = `Events recorded each ${unit === DAY ? "day" : "hour"}, ${count(most)} at most`;
    return this.#line("Events", svg("svg", { ...this.#size(BARS), class: "bars", role: "img", "aria-label": words }, bars),
      `≤ ${new Intl.NumberFormat("en-US", { notation: "compact" }).format(most)}/${unit === DAY ? "d" : "h"}`);
  }

  #row(source) {
    const begin = Math.max(source.first, this.now - this.span);
    const gaps = source.gaps.filter((gap) => (gap.end ?? this.now) >= this.now - this.span);
    const missed = gaps.reduce((sum, gap) => sum + Math.max(0, (gap.end ?? this.now) - Math.max(gap.start, begin)), 0);
    const share = this.now > begin ? Math.max(0, 1 - missed / (this.now - begin)) : 1;
    const heard = `${(share === 1 ? 100 : Math.min(99.99, share * 100)).toFixed(share === 1 ? 0 : 2)} %`;
    const together = clusters(gaps, (gap) => this.#x(gap.start), (gap) => this.#x(gap.end ?? this.now));
    const drawn = together.map((cluster, i) => this.#gap(source, cluster, i));
    const label = `${title(source.name)}: listened to ${heard} of the time, ${plural(gaps.length, "gap")}`;
    const x = this.#x(begin);
    const track = svg("svg", { ...this.#size(ROW), class: "track", role: "group", "aria-label": label },
      svg("rect", { class: "before", width: this.width, height: ROW, rx: 3 }),
      svg("rect", { class: "heard", x, width: Math.max(0, this.width - x), height: ROW, rx: 3 }), drawn);
    track.addEventListener("keydown", (event) => this.#move(event, track));
    return this.#line(title(source.name), track, heard);
  }

  #gap(source, { from, to, gaps }, place) {
    const width = Math.max(NEAR, to - from);
    const x = Math.min(from, this.width - width);
    const state = gaps.every((gap) => gap.closed) ? "closed" : "open";
    const key = `${source.name} ${gaps[0].start}`;
    const words = gaps.length > 1 ? `${plural(gaps.length, "gap")} from ${moment(gaps[0].start)}` : sentence(gaps[0], this.now);
    const tell = () => this.#tell(key, source, gaps);
    const parts = gaps.filter((gap) => !gap.closed && gap.closed_from !== null).map((gap) => {
      const [a, b] = [this.#x(gap.closed_from), this.#x(gap.closed_upto)];
      return svg("rect", { class: "part", x: a, width: Math.max(0, b - a), height: ROW });
    });
    const drawn = svg("g", {
      class: `hole ${state}${this.chosen === key ? " chosen" : ""}`, "data-gap": key, role: "button", "aria-label": words,
      tabindex: place === 0 ? 0 : -1, onclick: tell,
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tell(); } },
    }, svg("title", {}, words), svg("rect", { class: "reach", x: Math.max(0, x - 6), width: width + 12, height: ROW }),
      svg("rect", { class: "body", x, width, height: ROW, rx: 2 }), parts);
    return drawn;
  }

  #move(event, track) {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    const all = [...track.querySelectorAll("[data-gap]")];
    const at = all.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = all[Math.max(0, Math.min(all.length - 1, at + step))];
    all.forEach((one) => one.setAttribute("tabindex", one === next ? 0 : -1));
    next.focus();
  }

  #tell(key, source, gaps) {
    this.chosen = key;
    this.element.querySelectorAll("[data-gap]").forEach((one) => one.classList.toggle("chosen", one.dataset.gap === key));
    const shown = gaps.slice(-12);
    const left = gaps.length - shown.length;
    this.detail.replaceChildren(el("h3", {}, title(source.name)),
      ...shown.map((gap) => el("p", {}, sentence(gap, this.now), el("br"), el("span", { class: gap.closed ? "quiet" : "note" }, closing(gap, source)))),
      ...(left ? [el("p", { class: "quiet" }, `and ${plural(left, "earlier gap")}: homeiq gaps lists them`)] : []));
  }

  #axis() {
    const wanted = Math.max(2, Math.floor(this.width / 110));
    const step = [3600, 3 * 3600, 6 * 3600, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 61 * DAY, 122 * DAY].find((s) => this.span / s <= wanted) ?? 183 * DAY;
    const offset = new Date(this.now * 1000).getTimezoneOffset() * 60;
    const first = Math.ceil((this.now - this.span - offset) / step) * step + offset;
    const form = new Intl.DateTimeFormat("en-GB", step < DAY ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" });
    const ticks = [];
    for (let at = first; at < this.now; at += step) {
      const x = this.#x(at);
      const anchor = x < 20 ? "start" : x > this.width - 26 ? "end" : "middle";
      ticks.push(svg("line", { x1: x, x2: x, y1: 0, y2: 4 }), svg("text", { x, y: 17, "text-anchor": anchor }, form.format(at * 1000)));
    }
    return this.#line("", svg("svg", { ...this.#size(20), class: "axis", "aria-hidden": "true" }, ticks), "");
  }

  #size(height) {
    return { width: this.width, height, viewBox: `0 0 ${this.width} ${height}` };
  }

  #line(label, drawing, fact) {
    return el("div", { class: label ? "row" : "row bare" }, el("span", { class: "label" }, label), drawing, el("span", { class: "fact" }, fact));
  }
}

function clusters(gaps, from, to) {
  const found = [];
  for (const gap of gaps) {
    const [a, b] = [from(gap), to(gap)];
    const last = found.at(-1);
    if (last && a - Math.max(last.to, last.from + NEAR) < NEAR) {
      last.gaps.push(gap);
      last.to = Math.max(last.to, b);
    } else found.push({ from: a, to: b, gaps: [gap] });
  }
  return found;
}

function sentence(gap, now) {
  const until = gap.end === null ? "still lasts" : `to ${moment(gap.end)}`;
  return `${moment(gap.start)} ${until} (${length(gap.seconds ?? Math.max(0, now - gap.start))}): ${gap.why}`;
}

function closing(gap, source) {
  const missing = gap.missing.length ? `; not to be had: ${gap.missing.join(", ")}` : "";
  if (gap.closed) return `Closed: its states were fetched from the history${missing}.`;
  if (gap.closed_from !== null) return `Closed in part, from ${moment(gap.closed_from)} to ${moment(gap.closed_upto)}${missing}.`;
  if (gap.end === null) return "It cannot be closed before it has ended.";
  return source.name === "home_assistant" ? `Not closed${missing}: homeiq backfill asks the history once more.` : "This source has no history to close it from.";
}

function legend() {
  const words = { heard: "listened", open: "gap", closed: "gap, closed from the history", before: "before its first record" };
  return el("ul", { class: "legend" }, Object.entries(words).map(([name, what]) => el("li", {}, el("span", { class: `swatch ${name}` }), what)));
}
