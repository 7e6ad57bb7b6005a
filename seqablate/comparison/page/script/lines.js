// One chart of lines, whatever they are of: an arm has a median, a band and perhaps a line for each seed.

const HEIGHT = 300;

/**
 * Draws lines on a linear or a logarithmic axis; the latter shows log10 on a linear one.
 *
 * curves(): for each arm null or { x, y, low, high, seeds, ends } in plain values, of the moment.
 * has(arm): whether the arm ever has a curve in this chart. note(arm): what is said of it at the moment.
 * range(): [low, high] of the values to be drawn. guides(): [{ value, label }] of lines across.
 */
class LineChart {
  constructor(host, { title, subtitle, has, curves, range, log, guides = () => [], note = () => "" }) {
    Object.assign(this, { has, curves, range, log, guides, note });
    this.plotHost = make("div");
    this.legend = make("ul", { className: "legend" });
    this.where = make("output");
    const words = make("p", { className: "axis-name" }, subtitle, this.where);
    host.append(make("div", { className: "chart" }, make("h3", {}, title), words, this.plotHost, this.legend));
    this.values = this.buildLegend();
    this.plot = null;
    this.focused = null;
    armListeners.push(() => this.draw());
    redraws.push(() => this.draw());
    resizes.push((width) => this.resize(width));
    new ResizeObserver(() => THEME.printing || this.resize(null)).observe(this.plotHost);
  }

  height = (value) => (value === null || value === undefined ? value : this.log() ? (value > 0 ? Math.log10(value) : null) : value);
  shownHeight = (value) => {
    const height = this.height(value);
    return Number.isFinite(height) ? height : height === undefined ? undefined : null;
  };

  buildLegend() {
    return ARMS.map((arm, number) => {
      const value = make("output");
      const button = make("button", { type: "button", ariaPressed: "true" }, swatch(arm), arm.label, value);
      button.addEventListener("click", () => toggleArm(number));
      button.addEventListener("pointerenter", () => this.focus(number));
      button.addEventListener("pointerleave", () => this.focus(null));
      this.legend.append(make("li", {}, button));
      return { button, value };
    });
  }

  isFaded = (arm) => this.focused !== null && this.focused !== arm;

  focus(arm) {
    this.focused = arm;
    this.draw();
  }

  /** Columns for uPlot: of each arm the median, the band's two edges and its seeds, on the union of all x. */
  columns(top, bottom) {
    const tables = [];
    this.roles = [{}];
    this.found = this.curves();
    const edge = (value) => (value === null ? null : (this.shownHeight(value) ?? (value > 0 ? top : bottom)));
    this.found.forEach((curve, arm) => {
      if (!curve || !isShown(arm)) return;
      const columns = [curve.x, curve.y.map(this.shownHeight)];
      this.roles.push({ arm, role: "median" });
      if (curve.low) {
        columns.push(curve.low.map(edge), curve.high.map(edge));
        this.roles.push({ arm, role: "low" }, { arm, role: "high" });
      }
      for (const seed of curve.seeds ?? []) {
        columns.push(seed.map(this.shownHeight));
        this.roles.push({ arm, role: "seed" });
      }
      tables.push(columns);
    });
    return tables.length ? uPlot.join(tables) : [[]];
  }

  series() {
    return this.roles.map(({ arm, role }) => {
      if (role === undefined) return {};
      const faded = this.isFaded(arm);
      const line = { points: { show: false }, alpha: faded ? 0.12 : role === "seed" ? 0.28 : 1 };
      if (role === "low" || role === "high") return { ...line, stroke: "transparent", width: 0 };
      const colour = armColour(ARMS[arm]);
      const dash = dashes(ARMS[arm]);
      return { ...line, stroke: colour, width: role === "seed" ? 1 : 2, dash: dash.length ? dash : undefined };
    });
  }

  bands() {
    return this.roles.flatMap(({ arm, role }, index) => {
      if (role !== "high") return [];
      const faded = this.isFaded(arm);
      return [{ series: [index, index - 1], fill: translucent(armColour(ARMS[arm]), faded ? 0.03 : 0.15) }];
    });
  }

  draw() {
    const [low, high] = this.range().map(this.height);
    const margin = 0.04 * (high - low || 1);
    this.span = [low - margin, high + margin];
    const data = this.columns(high + (high - low) + 1, low - (high - low) - 1);
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), data, this.plotHost);
    this.updateLegend(null);
  }

  options() {
    const axis = { stroke: variable("muted"), font: "12px system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: variable("rule"), width: 1 };
    const number_ = (u, splits) => splits.map((value) => this.tick(value));
    return {
      width: this.width ?? this.plotHost.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false }, y: { range: () => this.span } },
      axes: [
        { ...axis, grid: { show: false }, ticks: { show: true, stroke: variable("rule"), size: 4 }, size: 28, values: (u, splits) => splits.map(String), incrs: STEPS },
        { ...axis, grid, size: 54, values: number_, splits: this.log() ? (u, axis, low, high) => logTicks(low, high) : undefined },
      ],
      series: this.series(),
      bands: this.bands(),
      hooks: { draw: [(u) => this.mark(u)], setCursor: [(u) => this.updateLegend(u.cursor.idx)] },
    };
  }

  tick(value) {
    if (!this.log()) return number(value);
    const wide = this.span[1] - this.span[0] > 4;
    return Number.isInteger(value) && wide ? power(value) : number(Number((10 ** value).toPrecision(3)));
  }

  /** Guides (goal, chance, floor), and where curves end. */
  mark(u) {
    const context = u.ctx;
    context.save();
    context.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    for (const { value, label } of this.guides()) this.guide(u, context, value, label);
    this.found.forEach((curve, arm) => {
      if (curve && isShown(arm)) for (const end of curve.ends ?? []) this.end(u, context, arm, end);
    });
    context.restore();
  }

  guide(u, context, value, label) {
    const height = this.height(value);
    if (!Number.isFinite(height) || height < this.span[0] || height > this.span[1]) return;
    const y = Math.round(u.valToPos(height, "y", true));
    const { left, width } = u.bbox;
    context.strokeStyle = context.fillStyle = variable("muted");
    context.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    context.lineWidth = devicePixelRatio;
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(left + width, y);
    context.stroke();
    this.label(context, label, left + width - 2, y - 5 * devicePixelRatio);
  }

  /** Words over whatever lies there, with a rim of the ground's colour. */
  label(context, words, x, y) {
    context.setLineDash([]);
    context.textAlign = "right";
    context.lineJoin = "round";
    context.strokeStyle = variable("ground");
    context.lineWidth = 4 * devicePixelRatio;
    context.strokeText(words, x, y);
    context.fillText(words, x, y);
  }

  /** An end: { x, y, mark } with y in plain values, or Infinity, or 0. */
  end(u, context, arm, { x, y, mark }) {
    const { top, height: tall } = u.bbox;
    const height = this.height(y);
    const place = Number.isFinite(height) ? u.valToPos(height, "y", true) : y > 0 ? top + 8 : top + tall - 3;
    context.fillStyle = armColour(ARMS[arm]);
    context.font = `${15 * devicePixelRatio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(mark, u.valToPos(x, "x", true), place);
    context.textBaseline = "alphabetic";
  }

  /** Every arm's value under the cursor, or nothing. */
  updateLegend(at) {
    const x = at === null || at === undefined ? null : this.plot.data[0][at];
    this.values.forEach(({ button, value }, arm) => {
      const curve = this.found[arm];
      button.ariaPressed = String(!hiddenArms.has(arm));
      button.parentElement.hidden = !this.has(arm) || !filtered.arms[arm];
      value.textContent = x === null || !curve || !isShown(arm) ? this.note(arm) : number(valueAt(curve, x));
    });
    this.where.textContent = x === null ? "" : `at ${x}`;
  }

  resize(width) {
    this.width = width;
    const wanted = width ?? this.plotHost.clientWidth;
    if (this.plot && wanted && this.plot.width !== wanted) this.plot.setSize({ width: wanted, height: HEIGHT });
  }
}

/** Heights (log10) of ticks on a logarithmic axis: whole powers of 10, on a short one some numbers between them. */
function logTicks(low, high) {
  const decades = high - low;
  const step = [1, 2, 5, 10, 20, 50, 100].find((decade) => decades / decade <= 7) ?? 100;
  const digits = decades > 2.5 ? [1] : decades > 1.2 ? [1, 3] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  const found = [];
  for (let exponent = Math.floor(low); exponent <= high; exponent++)
    if (exponent % step === 0) for (const digit of digits) found.push(exponent + Math.log10(digit));
  return found.filter((height) => height >= low && height <= high);
}

const STEPS = Array.from({ length: 12 }, (_, tens) => [1, 2, 5].map((digit) => digit * 10 ** tens)).flat();

/** A curve's value at x, or at the last place before it. */
function valueAt(curve, x) {
  let found = null;
  for (let i = 0; i < curve.x.length && curve.x[i] <= x; i++) found = curve.y[i];
  return found === undefined || x > curve.x[curve.x.length - 1] ? null : found;
}

/** A colour of six hexadecimal digits, see-through. */
function translucent(colour, alpha) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

/** The least and the greatest of all finite values, above 0 on a logarithmic axis; at least so far apart. */
function rangeOf(values, log, least = 0) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value) || value === null || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) {
    const short = Math.max(0, least - Math.log10(high / low)) / 2;
    return [low * 10 ** -short, high * 10 ** short];
  }
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}
