import { Chart } from "./chart.js";
import { Editor } from "./editor.js";
import { watch } from "./live.js";
import { openAlarm, showEvents, showFigures, showPeople } from "./panel.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
const stage = new Stage($("stage"), $("view"));
const chart = new Chart($("chart"), $("legend"), $("total"));
const editor = new Editor(stage, {
  box: $("editor"), hint: $("hint"), list: $("zone-list"), tools: $("tools"), edit: $("zones-edit"),
  add: document.querySelectorAll("[data-kind]"), cancel: $("zones-cancel"), save: $("zones-save"),
});
let connection = "wait", stale = null, title = "edge-pose", people = 0, alarm = null, seen = null, shown = 0, latency = null;

function status() {
  const state = connection === "live" && stale !== null ? "stale" : connection;
  $("status").dataset.state = state;
  $("status").textContent = { live: "Live", stale: `No frames for ${stale} s`, wait: "Connecting", lost: "Device not reached" }[state];
  document.title = `${alarm ? "(!) " : ""}${people ? `${people} · ` : ""}${title}`;
}

function raise() {
  $("alarm").hidden = alarm === null || alarm.event.id === seen;
  if (alarm === null) return;
  const { track_id: who } = alarm.event;
  $("alarm-what").textContent = alarm.what;
  $("alarm-who").textContent = [who >= 0 ? `person #${who}` : "", alarm.when].filter(Boolean).join(", ");
}

const notes = {
  about(about) {
    title = about.title;
    $("title").textContent = title;
    $("privacy").hidden = !about.privacy;
    $("picture-row").hidden = about.privacy;
    $("zones-edit").hidden = !about.zones;
    $("tools").classList.toggle("bare", about.privacy);
    if (about.skeleton !== null) stage.setSkeleton(about.skeleton);
  },
  stale(seconds) {
    stale = seconds;
  },
  zones(zones) {
    editor.set(zones);
  },
  events(events) {
    showEvents($("events"), $("no-events"), events);
    alarm = openAlarm(events);
    raise();
  },
};

async function onPicture(head, jpeg) {
  stale = null;
  people = head.people.length;
  await stage.show(head, jpeg);
  $("empty").hidden = true;
  chart.add(head.timings_ms);
  $("given-up").textContent = head.given_up.length ? `Given up for the budget: ${head.given_up.join("; ")}` : "";
  showPeople($("count"), $("ids"), head.people);
  const { latency: now = null } = head.timings_ms;
  latency = latency === null || now === null ? now : 0.9 * latency + 0.1 * now; // steady enough to be read
  if (performance.now() - shown > 250) {
    shown = performance.now();
    showFigures($("figures"), { ...head, latency });
  }
  status();
}

$("picture").onchange = ({ target }) => { stage.picture = target.checked; stage.draw(); };
$("labels").onchange = ({ target }) => { stage.labels = target.checked; stage.draw(); };
$("alarm-seen").onclick = () => { seen = alarm?.event.id; raise(); };
showFigures($("figures"), { fps: 0, latency: null, counters: {} });
watch({
  onPicture,
  onNote: (kind, content) => { notes[kind]?.(content); status(); },
  onState: (state) => { connection = state; status(); },
});
