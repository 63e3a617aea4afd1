// Milliseconds by stage over the last frames, one on top of the other.

const COLORS = ["#e69f00", "#4c8dd6", "#2fb38a", "#cc79a7", "#8f7ee7", "#d5733a", "#7b8794", "#b5a642"];
const FRAMES = 150;
// No work of this frame: what all of it takes, and what waits or happens meanwhile.
const ASIDE = new Set(["total", "latency", "queue", "source", "sinks"]);

export class Chart {
  constructor(canvas, legend, total) {
    this.canvas = canvas;
    this.legend = legend;
    this.total = total;
    this.rows = []; // of the last frames: { stage: ms }
    this.stages = [];
    this.due = 0;
    new ResizeObserver(() => this.#draw()).observe(canvas);
  }

  add(timings) {
    this.rows.push(timings);
    if (this.rows.length > FRAMES) this.rows.shift();
    for (const name of Object.keys(timings)) if (!ASIDE.has(name) && !this.stages.includes(name)) this.stages.push(name);
    this.#draw();
    if (performance.now() > this.due) {
      this.due = performance.now() + 500; // figures that change with every frame cannot be read
      this.#write();
    }
  }

  #write() {
    const recent = this.rows.slice(-30);
    const mean = (of) => recent.reduce((sum, row) => sum + of(row), 0) / recent.length;
    this.total.textContent = `${mean(whole).toFixed(1)} ms`;
    while (this.legend.children.length < this.stages.length) {
      const item = document.createElement("li"), spot = document.createElement("b");
      spot.style.background = COLORS[this.legend.children.length % COLORS.length];
      item.append(spot, document.createTextNode(""), document.createElement("span"));
      this.legend.append(item);
    }
    this.stages.forEach((name, i) => {
      const item = this.legend.children[i];
      item.childNodes[1].textContent = name.replaceAll("_", " ");
      item.lastChild.textContent = mean((row) => row[name] ?? 0).toFixed(1);
    });
  }

  #draw() {
    const { canvas, rows, stages } = this, ratio = window.devicePixelRatio || 1;
    const wide = canvas.clientWidth, high = canvas.clientHeight, context = canvas.getContext("2d");
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
    context.scale(ratio, ratio);
    if (rows.length < 2) return;
    const top = nice(Math.max(...rows.map(whole), 1)), left = 34, floor = high - 4, room = floor - 8;
    const style = getComputedStyle(canvas);
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(floor - part * room) + 0.5;
      context.strokeStyle = style.getPropertyValue("--line");
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(wide, y);
      context.stroke();
      context.fillStyle = style.getPropertyValue("--soft");
      context.fillText(String(top * part), left - 7, y);
    }
    const x = (i) => left + ((wide - left) * (FRAMES - rows.length + i)) / (FRAMES - 1);
    let below = rows.map(() => 0);
    stages.forEach((name, stage) => {
      const above = rows.map((row, i) => below[i] + (row[name] ?? 0));
      context.beginPath();
      above.forEach((ms, i) => context.lineTo(x(i), floor - (ms / top) * room));
      for (let i = rows.length - 1; i >= 0; i--) context.lineTo(x(i), floor - (below[i] / top) * room);
      context.fillStyle = COLORS[stage % COLORS.length];
      context.fill();
      below = above;
    });
  }
}

/** All that a frame took: the total, or its stages where that is not told. */
function whole(row) {
  const sum = Object.entries(row).reduce((ms, [name, value]) => ms + (ASIDE.has(name) ? 0 : value), 0);
  return Math.max(row.total ?? 0, sum);
}

/** The next number that, like its half, is easily read. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) * power;
}
