// The way of the data as a drawing: sources → recorder → log → follower → target, from left to right, or down on a phone.

import { bytes, count, el, plural, rate, svg, title } from "./format.js";

const NODE = { height: 62, gap: 14, narrow: 640 };

export function flowOf(now, targets, rates) {
  const { status } = now;
  const pushed = status.events.filter((one) => one.source === "pushed").reduce((sum, one) => sum + one.count, 0);
  const sources = status.sources.map((source) => sourceNode(source, rates));
  if (pushed) sources.push({ name: title("pushed"), lines: [rate(rates.pushed, "events")], state: "good", moving: rates.pushed > 0 });
  if (!sources.length) sources.push({ name: "No source", lines: ["nothing is configured"], state: "wrong" });
  const writable = !status.problem;
  const recorder = {
    name: "Recorder", state: status.ready ? "good" : "wrong", moving: rates.taken > 0,
    lines: [rate(rates.taken, "records"), status.dropped ? `${count(status.dropped)} dropped` : `${count(status.unsynced_records)} in memory`],
  };
  const log = {
    name: "Log", state: writable ? "good" : "wrong", moving: rates.durable > 0 && targets.length > 0,
    lines: [`record ${count(status.durable_seq)}`, writable ? status.disk.log_bytes ? `${bytes(status.disk.log_bytes)} on disk` : "has just begun" : status.problem],
  };
  const columns = [sources, [recorder], [log]];
  if (targets.length) {
    columns.push(targets.map(followerNode), targets.map(targetNode));
  } else columns.push([{ name: "Follower", lines: ["nothing follows the log"], state: "idle" }]);
  return columns;
}

function sourceNode(source, rates) {
  const speed = rates.sources[source.name] ?? null;
  if (source.configured === false) return { name: title(source.name), lines: ["not configured", source.reason], state: "idle" };
  if (!source.connected) return { name: title(source.name), lines: ["not connected", source.reason], state: "wrong" };
  const lines = "next_poll" in source ? [`${plural(source.events, "record")}, polled`] : [rate(speed, "events"), source.description];
  return { name: title(source.name), lines, state: source.warnings.length ? "attention" : "good", moving: speed > 0 };
}

function followerNode(target) {
  const stale = target.stale.reduce((sum, one) => sum + one.windows, 0);
  const lines = [target.upToDate ? "up to date" : `${count(target.behind)} behind`, stale ? plural(stale, "stale window") : rate(target.speed, "records")];
  const state = target.old ? "wrong" : target.failing?.length || stale ? "attention" : "good";
  return { name: "Follower", lines: target.old ? ["says nothing", "since some minutes"] : lines, state, moving: target.speed > 0 };
}

function targetNode(target) {
  const lines = target.problem ? ["waits", target.problem] : [target.refused ? `${count(target.refused)} refused` : rate(target.points, "points"), target.title];
  return { name: title(target.name), lines, state: target.problem ? "wrong" : target.refused ? "attention" : "good" };
}

export function drawFlow(columns, width) {
  const down = width < NODE.narrow;
  const across = columns.length;
  const space = down ? 34 : Math.max(22, Math.min(56, width * 0.045));
  const size = { width: down ? width : (width - space * (across - 1)) / across, height: NODE.height };
  const tallest = Math.max(...columns.map(heightOf));
  let [x, y] = [0, 0];
  const places = columns.map((nodes) => {
    const top = down ? y : (tallest - heightOf(nodes)) / 2;
    const placed = nodes.map((node, i) => ({ node, x, y: top + i * (size.height + NODE.gap) }));
    if (down) y += heightOf(nodes) + space;
    else x += size.width + space;
    return placed;
  });
  const height = down ? y - space : tallest;
  const edges = places.slice(0, -1).flatMap((from, i) => edgesBetween(from, places[i + 1], size, down));
  const nodes = places.flat().map((place) => drawNode(place, size));
  const words = columns.map((column) => column.map((node) => `${node.name}: ${node.lines.join(", ")}`).join("; ")).join(" → ");
  return svg("svg", { class: "flow", role: "img", "aria-label": words, viewBox: `0 0 ${width} ${height}`, width, height }, edges, nodes);
}

const heightOf = (nodes) => nodes.length * (NODE.height + NODE.gap) - NODE.gap;

function edgesBetween(from, to, size, down) {
  if (down) return drawEdge(from.at(-1), to[0], size, from.some((place) => place.node.moving), down);
  if (from.length === to.length) return from.flatMap((place, i) => drawEdge(place, to[i], size, place.node.moving));
  return from.flatMap((a) => to.flatMap((b) => drawEdge(a, b, size, a.node.moving)));
}

function drawEdge(a, b, size, moving, down) {
  const [x1, y1] = down ? [size.width / 2, a.y + size.height] : [a.x + size.width, a.y + size.height / 2];
  const [x2, y2] = down ? [size.width / 2, b.y] : [b.x, b.y + size.height / 2];
  const middle = (x1 + x2) / 2;
  const d = down ? `M${x1} ${y1 + 3}V${y2 - 4}` : `M${x1 + 3} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2 - 4} ${y2}`;
  const tip = down ? `M${x2 - 4} ${y2 - 8}l4 4 4 -4` : `M${x2 - 8} ${y2 - 4}l4 4 -4 4`;
  const broken = a.node.state === "wrong" ? " broken" : "";
  return [svg("path", { d, class: `edge${moving ? " moving" : ""}${broken}` }), svg("path", { d: tip, class: "tip" })];
}

function drawNode({ node, x, y }, { width, height }) {
  const most = Math.floor((width - 26) / 6.6);
  const line = (text, dy, cls) => svg("text", { x: 14, y: dy, class: cls }, cut(text, most));
  return svg("g", { class: `node ${node.state}`, transform: `translate(${x} ${y})` },
    svg("title", {}, `${node.name}: ${node.lines.join(", ")}`),
    svg("rect", { width, height, rx: 10 }),
    svg("rect", { width: 4, height: height - 20, x: 0, y: 10, rx: 2, class: "bar" }),
    line(node.name, 20, "name"),
    node.lines.slice(0, 2).map((text, i) => line(text, 37 + i * 16, i ? "more" : "fact")));
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text);

export const emptyFlow = () => el("p", { class: "quiet" }, "Waiting for the first facts…");
