// The live picture, or nothing, with skeletons and zones over it.

const LEFT = "#e69f00", RIGHT = "#56b4e9", MIDDLE = "#f0f0f0", EDGE = "rgb(12 16 20 / .85)";
const PERSONS = ["#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00"]; // Okabe and Ito: told apart by everybody
const SEEN = 0.3; // joints below are guesses
export const ZONE_COLORS = { bed: "#7aa2ff", sofa: "#c792ea", ignore: "#9aa5b1" };

/** The colour of a person: grey when untracked. */
export function personColor(id) {
  return id < 0 ? "#9aa5b1" : PERSONS[id % PERSONS.length];
}

export class Stage {
  constructor(box, canvas) {
    this.box = box;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.head = null; // of the newest picture
    this.bitmap = null;
    this.limbs = [];
    this.zones = [];
    this.draft = null; // of the editor: { zone, hover } while a zone is drawn
    this.picture = true;
    this.labels = true;
    new ResizeObserver(() => this.draw()).observe(box);
  }

  /** Take over joint names and limbs; a limb belongs to a side when its joints do. */
  setSkeleton({ joints, edges }) {
    const side = joints.map((name) => name.includes("left") - name.includes("right"));
    this.limbs = edges.map(([a, b]) => [a, b, [RIGHT, MIDDLE, LEFT][Math.sign(side[a] + side[b]) + 1]]);
  }

  async show(head, jpeg) {
    const bitmap = jpeg === null ? null : await createImageBitmap(jpeg);
    this.bitmap?.close();
    this.bitmap = bitmap;
    if (this.head === null || String(this.head.size) !== String(head.size)) {
      this.box.style.aspectRatio = `${head.size[0]} / ${head.size[1]}`;
    }
    this.head = head;
    this.draw();
  }

  /** Where the frame lies on the canvas, in CSS pixels; null before the first frame. */
  get place() {
    if (this.head === null) return null;
    const { clientWidth: wide, clientHeight: high } = this.box, [w, h] = this.head.size;
    const scale = Math.min(wide / w, high / h);
    if (Math.abs(wide / high / (w / h) - 1) < 0.01) return { scale, x: 0, y: 0, w: wide, h: high }; // not a hair's breadth
    return { scale, x: (wide - w * scale) / 2, y: (high - h * scale) / 2, w: w * scale, h: h * scale };
  }

  draw() {
    const { context, canvas, box, place } = this, ratio = window.devicePixelRatio || 1;
    const wide = Math.round(box.clientWidth * ratio), high = Math.round(box.clientHeight * ratio);
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, box.clientWidth, box.clientHeight);
    if (place === null) return;
    if (this.bitmap !== null && this.picture) context.drawImage(this.bitmap, place.x, place.y, place.w, place.h);
    else this.#floor(place);
    for (const zone of this.zones) this.#zone(zone, place);
    // The nearest last: they are the largest.
    const people = [...this.head.people].sort((a, b) => area(a) - area(b));
    for (const person of people) this.#person(person, place);
    const plates = [];
    if (this.labels) for (const person of people) this.#label(person, place, plates);
    if (this.draft !== null) this.#draft(place);
  }

  #floor({ x, y, w, h }) {
    const context = this.context;
    context.strokeStyle = "rgb(255 255 255 / .05)";
    context.lineWidth = 1;
    context.beginPath();
    for (let i = 1; i < 12; i++) { context.moveTo(x + (w * i) / 12, y); context.lineTo(x + (w * i) / 12, y + h); }
    for (let i = 1; i < 8; i++) { context.moveTo(x, y + (h * i) / 8); context.lineTo(x + w, y + (h * i) / 8); }
    context.stroke();
  }

  #person({ id, box, keypoints }, { scale, x, y }) {
    const context = this.context, color = personColor(id);
    const at = keypoints.map(([px, py, s]) => (s >= SEEN && px !== null && py !== null ? [x + px * scale, y + py * scale] : null));
    const size = Math.max(box[2] - box[0], box[3] - box[1]) * scale;
    const thick = Math.max(2, Math.min(size / 60 || 2, 7));
    context.lineCap = context.lineJoin = "round";
    for (const [extra, under] of [[3, true], [0, false]]) {
      for (const [a, b, side] of this.limbs) {
        if (!at[a] || !at[b]) continue;
        context.strokeStyle = under ? EDGE : side;
        context.lineWidth = thick + extra;
        context.beginPath();
        context.moveTo(...at[a]);
        context.lineTo(...at[b]);
        context.stroke();
      }
    }
    for (const point of at) {
      if (!point) continue;
      context.beginPath();
      context.arc(...point, thick * 0.85, 0, 7);
      context.fillStyle = color;
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = EDGE;
      context.stroke();
    }
  }

  #label({ id, score, keypoints, box }, { scale, x, y }, plates) {
    const seen = keypoints.filter(([px, py, s]) => s >= SEEN && px !== null && py !== null);
    if (seen.length === 0) return;
    const top = seen.reduce((a, b) => (a[1] < b[1] ? a : b));
    const text = id < 0 ? (score ?? 0).toFixed(2) : `#${id}`;
    const context = this.context;
    context.font = "600 13px system-ui, sans-serif";
    const wide = context.measureText(text).width + 14, high = 21;
    const left = clamp(x + top[0] * scale - wide / 2, 2, this.box.clientWidth - wide - 2);
    const least = y + Math.min(top[1], box[1] ?? top[1]) * scale - high - 6;
    const places = [0, -1, 1, -2, 2, 3].map((step) => clamp(least + step * (high + 2), 2, this.box.clientHeight - high - 2));
    const isFree = (at) => !plates.some((p) => left < p.left + p.wide && p.left < left + wide && Math.abs(at - p.above) < high);
    const above = places.find(isFree) ?? places[0];
    plates.push({ left, wide, above });
    const color = personColor(id);
    context.fillStyle = color;
    context.beginPath();
    context.roundRect(left, above, wide, high, 6);
    context.fill();
    context.fillStyle = isDark(color) ? "#fff" : "#10151a";
    context.textBaseline = "middle";
    context.fillText(text, left + 7, above + high / 2 + 1);
  }

  #zone(zone, { x, y, w, h }) {
    const context = this.context, color = ZONE_COLORS[zone.kind], active = this.draft?.zone === zone;
    const points = zone.polygon.map(([px, py]) => [x + px * w, y + py * h]);
    if (points.length === 0) return;
    context.beginPath();
    points.forEach((point, i) => (i ? context.lineTo(...point) : context.moveTo(...point)));
    if (!active) context.closePath();
    context.fillStyle = `${color}2e`;
    if (points.length > 2) context.fill();
    context.strokeStyle = color;
    context.lineWidth = 2;
    context.setLineDash(active ? [6, 5] : []);
    context.stroke();
    context.setLineDash([]);
    if (active) return;
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "top";
    const top = points.reduce((a, b) => (a[1] < b[1] || (a[1] === b[1] && a[0] < b[0]) ? a : b));
    const left = clamp(top[0] + 6, x + 4, x + w - context.measureText(zone.name).width - 6);
    context.lineWidth = 3;
    context.strokeStyle = EDGE;
    context.strokeText(zone.name, left, top[1] + 6);
    context.fillStyle = color;
    context.fillText(zone.name, left, top[1] + 6);
  }

  #draft({ x, y, w, h }) {
    const { context, draft } = this, edited = draft.zone === null ? this.zones : [draft.zone];
    for (const zone of edited) {
      const points = zone.polygon.map(([px, py]) => [x + px * w, y + py * h]);
      if (zone === draft.zone && points.length && draft.hover) {
        context.strokeStyle = ZONE_COLORS[zone.kind];
        context.setLineDash([3, 5]);
        context.beginPath();
        context.moveTo(...points[points.length - 1]);
        context.lineTo(x + draft.hover[0] * w, y + draft.hover[1] * h);
        context.stroke();
        context.setLineDash([]);
      }
      points.forEach((point, i) => {
        context.beginPath();
        context.arc(...point, zone === draft.zone && i === 0 ? 8 : 5.5, 0, 7);
        context.fillStyle = "#fff";
        context.fill();
        context.lineWidth = 2.5;
        context.strokeStyle = ZONE_COLORS[zone.kind];
        context.stroke();
      });
    }
  }
}

function area({ box }) {
  return (box[2] - box[0]) * (box[3] - box[1]) || 0;
}

function clamp(value, least, most) {
  return Math.max(least, Math.min(value, most));
}

function isDark(color) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 130;
}
