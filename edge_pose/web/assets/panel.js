// Everything beside the picture: how many people, how the stream does, what has happened.

import { personColor } from "./stage.js";

const GRADES = {
  "fall.confirmed": "bad", "fall.still_down": "bad", "fall.candidate": "warn", "fall.recovered": "good",
  "watch.ok": "good",
};
const WORDS = {
  "fall.candidate": "Possible fall", "fall.confirmed": "Fall", "fall.still_down": "Still down",
  "fall.recovered": "Up again", "watch.ok": "Camera sees again", "watch.no_frames": "No frames from the camera",
  "watch.covered": "Camera covered", "watch.dark": "Too dark",
};
const COUNTERS = { dropped: "Dropped", reconnects: "Reconnects", gaps: "Gaps" };

function element(kind, text, more = {}) {
  return Object.assign(document.createElement(kind), { textContent: text, ...more });
}

function words(kind) {
  const plain = kind.split(".").pop().replaceAll("_", " ");
  return WORDS[kind] ?? plain.charAt(0).toUpperCase() + plain.slice(1);
}

function moment({ wall_time: at }) {
  const date = new Date(typeof at === "number" ? at * 1000 : at ?? NaN);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function showPeople(count, ids, people) {
  count.textContent = people.length;
  const tracked = people.map(({ id }) => id).filter((id) => id >= 0).sort((a, b) => a - b);
  if (ids.dataset.shown === String(tracked)) return;
  ids.dataset.shown = String(tracked);
  ids.replaceChildren(...tracked.map((id) => {
    const chip = document.createElement("li"), spot = document.createElement("b");
    spot.style.background = personColor(id);
    chip.append(spot, `#${id}`);
    return chip;
  }));
}

export function showFigures(list, { fps, latency, counters }) {
  const rows = { "Frames/s": fps.toFixed(1), Latency: latency === null ? "\u2013" : `${latency.toFixed(0)} ms` };
  for (const [name, text] of Object.entries(COUNTERS)) {
    const value = counters[name] ?? 0;
    if (value > 0 || name === "dropped" || name === "reconnects") rows[text] = value.toLocaleString();
  }
  Object.entries(rows).forEach(([name, value], i) => {
    const row = list.children[i] ?? list.appendChild(document.createElement("div"));
    if (row.children.length === 0) row.append(document.createElement("dt"), document.createElement("dd"));
    row.firstChild.textContent = name;
    row.lastChild.textContent = value;
    row.classList.toggle("warn", name === COUNTERS.reconnects && value !== "0");
  });
  while (list.children.length > Object.keys(rows).length) list.lastChild.remove();
}

export function showEvents(list, none, events) {
  none.hidden = events.length > 0;
  list.replaceChildren(...events.map((event) => {
    const row = document.createElement("li"), about = document.createElement("div");
    row.dataset.grade = GRADES[event.event] ?? (event.event.startsWith("watch.") ? "warn" : "");
    about.append(element("div", words(event.event)));
    const who = [];
    if (event.track_id !== null && event.track_id >= 0) who.push(`person #${event.track_id}`);
    if (event.event.startsWith("fall.") && event.confidence !== null) who.push(`${Math.round(event.confidence * 100)} % sure`);
    if (who.length) about.append(element("small", who.join(", ")));
    row.append(about, element("time", moment(event)));
    return row;
  }));
}

/** The newest fall of a person who has not got up since, or null. events: newest first. */
export function openAlarm(events) {
  const told = new Set();
  for (const event of events) {
    if (!event.event.startsWith("fall.") || told.has(event.track_id)) continue;
    told.add(event.track_id);
    if (GRADES[event.event] === "bad") return { what: words(event.event), event, when: moment(event) };
  }
  return null;
}
