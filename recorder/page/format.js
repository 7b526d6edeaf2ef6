// How numbers, times and elements are made. Text becomes text, never HTML.

const numbers = new Intl.NumberFormat("en-US");
const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const count = (n) => numbers.format(n);
export const clock = (seconds) => clockTime.format(seconds * 1000);
export const moment = (seconds) => dayAndTime.format(seconds * 1000);
export const plural = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;
export const title = (name) => ({ home_assistant: "Home Assistant", recorder: "Recorder", pushed: "POST /events", influxdb: "InfluxDB", embedded: "Embedded target" })[name]
  ?? name.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase());

export function length(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [d, h, m, s] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  if (d) return `${d} d ${h} h`;
  return h ? `${h} h ${m} min` : `${m} min ${s} s`;
}

export function bytes(n) {
  if (n === null || n === undefined) return "…";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; n >= 1000 && unit < 4; unit += 1) n /= 1000;
  return `${n < 10 && unit ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export function rate(perSecond, what = "") {
  if (perSecond === null) return "…";
  const unit = what && ` ${what}`;
  if (perSecond > 0 && perSecond < 1) return `${count(Math.max(1, Math.round(perSecond * 60)))}${unit}/min`;
  return `${perSecond < 10 ? Number(perSecond.toFixed(1)) : count(Math.round(perSecond))}${unit}/s`;
}

export function el(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const shown = new WeakMap();

// Draw an element's content anew only when what it shows has changed: focus and selection stay.
export function show(element, facts, draw) {
  const key = JSON.stringify(facts);
  if (shown.get(element) === key) return;
  shown.set(element, key);
  element.replaceChildren(...[draw()].flat());
}

// What grows, by name: how fast over the last seconds.
export class Rates {
  #samples = new Map();

  of(name, at, value, seconds = 10) {
    const samples = this.#samples.get(name) ?? [];
    if (samples.length && (value < samples.at(-1).value || at < samples.at(-1).at)) samples.length = 0;
    if (!samples.length || at > samples.at(-1).at) samples.push({ at, value });
    while (samples.length > 2 && at - samples[0].at > seconds) samples.shift();
    this.#samples.set(name, samples);
    const [first, last] = [samples[0], samples.at(-1)];
    return last.at > first.at ? (last.value - first.value) / (last.at - first.at) : null;
  }
}
