// Zones: polygons over the picture, drawn with mouse, finger or pen, and saved on the device.

import { ZONE_COLORS } from "./stage.js";

const NEAR_PX = 16; // how close to a corner counts as on it; a finger is not exact
const NAMES = { bed: "Bed", sofa: "Sofa", ignore: "Ignored part" };
const MOST_POINTS = 64;

export class Editor {
  constructor(stage, elements) {
    this.stage = stage;
    this.saved = [];
    this.held = null; // the corner that is being dragged: [zone, index]
    Object.assign(this, elements); // box, hint, list, add, cancel, save, edit, tools
    this.edit.onclick = () => this.#open();
    this.cancel.onclick = () => this.#close();
    this.save.onclick = () => this.#store();
    for (const button of this.add) button.onclick = () => this.#begin(button.dataset.kind);
    const canvas = stage.canvas;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => { this.held = null; });
    canvas.addEventListener("pointercancel", () => { this.held = null; });
    addEventListener("keydown", (event) => this.#key(event));
  }

  get editing() {
    return this.stage.draft !== null;
  }

  /** Take over what the device has saved; what is being drawn stays. */
  set(zones) {
    this.saved = zones;
    if (!this.editing) this.stage.zones = zones;
    this.stage.draw();
  }

  #open() {
    this.stage.zones = structuredClone(this.saved);
    this.stage.draft = { zone: null, hover: null };
    this.box.hidden = false;
    this.tools.hidden = true;
    this.stage.box.classList.add("drawing");
    this.#tell();
    this.#rows();
  }

  #close() {
    this.stage.draft = null;
    this.stage.zones = this.saved;
    this.box.hidden = true;
    this.tools.hidden = false;
    this.stage.box.classList.remove("drawing");
    this.stage.draw();
  }

  #begin(kind) {
    if (this.stage.draft.zone !== null) this.stage.zones = this.stage.zones.filter((z) => z !== this.stage.draft.zone);
    const taken = new Set(this.stage.zones.map((zone) => zone.name));
    let name = NAMES[kind];
    for (let i = 2; taken.has(name); i++) name = `${NAMES[kind]} ${i}`;
    const zone = { name, kind, polygon: [] };
    this.stage.zones.push(zone);
    this.stage.draft.zone = zone;
    this.#tell();
    this.#rows();
  }

  #finish() {
    if (this.stage.draft.zone.polygon.length < 3) return;
    this.stage.draft.zone = null;
    this.stage.draft.hover = null;
    this.#tell();
    this.#rows();
  }

  #at(event) {
    const { left, top } = this.stage.canvas.getBoundingClientRect(), place = this.stage.place;
    if (place === null) return null;
    return [(event.clientX - left - place.x) / place.w, (event.clientY - top - place.y) / place.h].map((value) =>
      Math.round(Math.max(0, Math.min(1, value)) * 1e4) / 1e4);
  }

  #isNear([ax, ay], [bx, by]) {
    const { w, h } = this.stage.place;
    return Math.hypot((ax - bx) * w, (ay - by) * h) < NEAR_PX;
  }

  #down(event) {
    if (!this.editing) return;
    const point = this.#at(event), { zone } = this.stage.draft;
    if (point === null) return;
    event.preventDefault();
    if (zone === null) {
      for (const other of this.stage.zones) {
        const corner = other.polygon.findIndex((at) => this.#isNear(at, point));
        if (corner >= 0) this.held = [other, corner];
      }
      if (this.held) this.stage.canvas.setPointerCapture(event.pointerId);
      return;
    }
    if (zone.polygon.length > 2 && this.#isNear(zone.polygon[0], point)) this.#finish();
    else if (zone.polygon.length < MOST_POINTS) zone.polygon.push(point);
    this.#tell();
    this.stage.draw();
  }

  #move(event) {
    if (!this.editing) return;
    const point = this.#at(event);
    if (point === null) return;
    if (this.held !== null) this.held[0].polygon[this.held[1]] = point;
    else if (this.stage.draft.zone !== null) this.stage.draft.hover = point;
    else return;
    this.stage.draw();
  }

  #key(event) {
    if (!this.editing || event.target.matches("input, select")) return;
    const { zone } = this.stage.draft;
    if (event.key === "Escape") {
      if (zone === null) this.#close();
      else this.#remove(zone);
    } else if (zone !== null && event.key === "Enter") this.#finish();
    else if (zone !== null && event.key === "Backspace") zone.polygon.pop();
    else return;
    event.preventDefault();
    this.stage.draw();
  }

  #remove(zone) {
    this.stage.zones = this.stage.zones.filter((other) => other !== zone);
    if (this.stage.draft.zone === zone) this.stage.draft.zone = null;
    this.#tell();
    this.#rows();
  }

  #rows() {
    this.list.replaceChildren(...this.stage.zones.map((zone) => {
      const row = document.createElement("li"), spot = document.createElement("b"), name = document.createElement("input");
      const kind = document.createElement("select"), gone = document.createElement("button");
      spot.style.background = ZONE_COLORS[zone.kind];
      Object.assign(name, { type: "text", value: zone.name, maxLength: 60, ariaLabel: "Name of the zone" });
      name.oninput = () => { zone.name = name.value; this.stage.draw(); };
      kind.ariaLabel = "Kind of the zone";
      kind.append(...Object.entries(NAMES).map(([value, text]) => new Option(text, value, false, value === zone.kind)));
      kind.onchange = () => { zone.kind = kind.value; this.#rows(); };
      Object.assign(gone, { type: "button", textContent: "Remove", onclick: () => this.#remove(zone) });
      row.append(spot, name, kind, gone);
      return row;
    }));
    this.stage.draw();
  }

  #tell(trouble = "") {
    const zone = this.stage.draft.zone;
    this.hint.classList.toggle("bad", trouble !== "");
    this.save.disabled = zone !== null && zone.polygon.length < 3;
    if (trouble) this.hint.textContent = trouble;
    else if (zone === null) this.hint.textContent = "Add a zone, or drag the corners of one.";
    else if (zone.polygon.length < 3) this.hint.textContent = "Tap the corners in the picture, one after the other.";
    else this.hint.textContent = "Tap the first corner to finish, or save.";
  }

  async #store() {
    if (this.stage.draft.zone !== null) this.#finish();
    this.save.disabled = true;
    try {
      const answer = await fetch("/zones", {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(this.stage.zones),
      });
      const content = await answer.json();
      if (!answer.ok) throw new Error(content.error);
      this.saved = content;
      this.#close();
    } catch (error) {
      this.#tell(`Not saved: ${error.message}`);
    }
  }
}
