// The same curves over the whole training: the training step to the right, the place along the curve upwards.

const VIRIDIS = ["#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725"];
const ZERO = "#b0b0b0";
const OVERFLOW = "#8b0000";
const HEATMAP = { chart: 0, left: 34, top: 9, bottom: 16, height: 176, maps: [] };

function startHeatmaps() {
  if (!SIGNALS.charts.length || SIGNALS.steps.length < 2) return;
  const controls = make("span", { className: "group" });
  SIGNALS.charts.forEach((chart, number) => {
    const button = make("button", { type: "button" }, chart.noun);
    button.addEventListener("click", () => showHeatmaps(number));
    controls.append(button);
  });
  byId("heatmap-controls").append(controls);
  armListeners.push(drawHeatmaps);
  momentListeners.push(drawHeatmaps);
  redraws.push(drawHeatmaps);
  resizes.push(drawHeatmaps);
  new ResizeObserver(() => THEME.printing || drawHeatmaps()).observe(byId("heatmaps"));
  layHeatmaps(0);
}

function showHeatmaps(number) {
  layHeatmaps(number);
  drawHeatmaps();
}

function layHeatmaps(number) {
  HEATMAP.chart = number;
  const chart = SIGNALS.charts[number];
  byId("heatmap-controls").querySelectorAll("button").forEach((button, position) => (button.ariaPressed = String(position === number)));
  byId("heatmap-title").textContent = `Over the training: ${chart.noun}`;
  byId("heatmap-axes").textContent = `upwards: ${chart.xlabel}; to the right: training step, marked where the slider stands`;
  HEATMAP.maps = chart.arms.map((arm, position) => arm && buildHeatmap(chart, arm, position));
  byId("heatmaps").replaceChildren(...HEATMAP.maps.filter(Boolean).map((map) => map.figure));
}

function buildHeatmap(chart, arm, position) {
  const canvas = make("canvas", { tabIndex: -1 });
  const output = make("output");
  const caption = make("figcaption", {}, swatch(ARMS[position]), `${ARMS[position].label} (${arm.owner})`);
  const figure = make("figure", { className: "heatmap" }, caption, canvas, output);
  const map = { figure, canvas, chart, arm, position, output };
  canvas.addEventListener("pointermove", (event) => sayCell(map, event));
  canvas.addEventListener("pointerleave", () => (output.textContent = ""));
  canvas.addEventListener("click", (event) => setMoment(cellAt(map, event).at));
  return map;
}

/** The edges of the columns: a measurement holds from its step to the next one. */
function columnEdges() {
  const steps = SIGNALS.steps;
  const last = steps[steps.length - 1];
  return [...steps, last + Math.max(1, last - steps[steps.length - 2])];
}

function heatmapSpan(chart) {
  const arms = chart.arms.filter((arm, position) => arm && isShown(position));
  const values = arms.flatMap((arm) => arm.frames.flatMap((frame) => frame.y ?? [])).map((value) => raised(chart, decoded(value)));
  return rangeOf(values, chart.log).map((value) => (chart.log ? Math.log10(value) : value));
}

function drawHeatmaps() {
  const chart = SIGNALS.charts[HEATMAP.chart];
  const span = heatmapSpan(chart);
  const kinds = new Set();
  for (const map of HEATMAP.maps) {
    if (!map) continue;
    map.figure.hidden = !isShown(map.position);
    if (!map.figure.hidden) drawHeatmap(map, span, kinds);
  }
  drawColours(chart, span, kinds);
}

function drawHeatmap(map, span, kinds) {
  const { canvas, arm, chart } = map;
  const ratio = devicePixelRatio;
  const width = canvas.clientWidth || 270;
  canvas.width = width * ratio;
  canvas.height = HEATMAP.height * ratio;
  canvas.style.height = `${HEATMAP.height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const edges = columnEdges();
  const count = Math.max(...arm.frames.map((frame) => frame.y?.length ?? 0));
  const [plotWidth, plotHeight] = [width - HEATMAP.left - 1, HEATMAP.height - HEATMAP.bottom - HEATMAP.top];
  const x = (step) => HEATMAP.left + ((step - edges[0]) / (edges[edges.length - 1] - edges[0])) * plotWidth;
  const y = (k) => HEATMAP.top + plotHeight - (k / count) * plotHeight;
  const whole = (place) => Math.round(place * ratio) / ratio; // no seams between cells
  map.geometry = { x, y, edges, count, plotHeight };
  context.save();
  context.beginPath();
  context.rect(HEATMAP.left, HEATMAP.top, plotWidth, plotHeight);
  context.clip();
  arm.frames.forEach((frame, at) =>
    frame.y?.forEach((value, k) => {
      const colour = cellColour(raised(chart, decoded(value)), chart.log, span, kinds);
      if (colour === null) return;
      context.fillStyle = colour;
      const [left, right, top, bottom] = [x(edges[at]), x(edges[at + 1]), y(k + 1), y(k)].map(whole);
      context.fillRect(left, top - 1, right - left + 1, bottom - top + 1); // later cells cover what is too much
    }),
  );
  context.restore();
  if (arm.frames.some((frame) => !frame.y)) kinds.add("blank");
  context.strokeStyle = variable("rule");
  context.strokeRect(HEATMAP.left - 0.5, HEATMAP.top - 0.5, plotWidth + 1, plotHeight + 1);
  drawHeatmapAxes(context, map);
}

function drawHeatmapAxes(context, { arm, geometry: { x, y, edges, count } }) {
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = variable("muted");
  context.textAlign = "right";
  const top = arm.start + (count - 1) * arm.stride;
  context.fillText(String(arm.start), HEATMAP.left - 5, y(0) - 1);
  if (count > 1) context.fillText(String(top), HEATMAP.left - 5, y(count) + 9);
  context.textAlign = "left";
  context.fillText(String(edges[0]), HEATMAP.left, HEATMAP.height - 3);
  context.textAlign = "right";
  context.fillText(String(edges[edges.length - 2]), x(edges[edges.length - 1]), HEATMAP.height - 3);
  const now = (x(edges[moment.at]) + x(edges[moment.at + 1])) / 2;
  context.fillStyle = variable("ink");
  context.beginPath();
  context.moveTo(now - 5, 0);
  context.lineTo(now + 5, 0);
  context.lineTo(now, HEATMAP.top - 2);
  context.fill();
}

/** The colour of a cell; null where nothing was measured. */
function cellColour(value, log, [low, high], kinds) {
  if (value === null) return null;
  if (value === Infinity || (log && value <= 0)) {
    kinds.add(value > 0 ? "overflow" : "zero");
    return value > 0 ? OVERFLOW : ZERO;
  }
  const height = log ? Math.log10(value) : value;
  return viridis((height - low) / (high - low || 1));
}

/** Between the colours of the table, linearly. */
function viridis(share) {
  const place = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1);
  const at = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mixed = [1, 3, 5].map((digit) => {
    const [a, b] = [VIRIDIS[at], VIRIDIS[at + 1]].map((colour) => parseInt(colour.slice(digit, digit + 2), 16));
    return Math.round(a + (b - a) * (place - at));
  });
  return `rgb(${mixed.join(" ")})`;
}

function cellAt({ canvas, geometry: { x, edges, count, plotHeight } }, event) {
  const box = canvas.getBoundingClientRect();
  const [left, top] = [event.clientX - box.left, event.clientY - box.top];
  const next = edges.findIndex((edge) => x(edge) > left);
  const at = next < 0 ? edges.length - 2 : Math.max(0, next - 1);
  const k = Math.floor(((HEATMAP.top + plotHeight - top) / plotHeight) * count);
  return { at, k: Math.max(0, Math.min(count - 1, k)) };
}

function sayCell(map, event) {
  const { at, k } = cellAt(map, event);
  const value = map.arm.frames[at].y?.[k] ?? null;
  const place = map.arm.start + k * map.arm.stride;
  map.output.textContent = `${map.chart.index} = ${place}, ${after(SIGNALS.steps[at])}: ${value === null ? "not measured" : number(decoded(value))}`;
}

function drawColours(chart, span, kinds) {
  const bar = make("canvas", { width: 180, height: 10 });
  const context = bar.getContext("2d");
  for (let i = 0; i < 180; i++) {
    context.fillStyle = viridis(i / 179);
    context.fillRect(i, 0, 1, 10);
  }
  const words = span.map((value) => number(chart.log ? 10 ** value : value));
  const keys = { zero: "0, or too small to be shown", overflow: "overflow", blank: "no run has a curve: diverged, ended or not begun" };
  byId("colours").replaceChildren(
    make("span", {}, words[0], bar, words[1], ` ${chart.unit}${chart.log ? ", in powers of 10" : ""}`),
    ...[...kinds].map((kind) => make("span", {}, make("i", { className: kind }), keys[kind])),
  );
}
