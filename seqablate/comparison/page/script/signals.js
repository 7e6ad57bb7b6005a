// Lag curves, profiles and whatever else was measured along an axis, at the moment that the slider says.

const SIGNALS = DATA.signals;
const moment = { at: SIGNALS.steps.length - 1 };
const momentListeners = [];
const FLOOR_DECADES = 4; // how far below the floor values are drawn; smaller ones are 0
const LEAST_DECADES = 2; // of a logarithmic axis, so that noise on a flat curve looks like noise

function setMoment(at) {
  moment.at = Math.max(0, Math.min(SIGNALS.steps.length - 1, at));
  sayMoment();
  momentListeners.forEach((listener) => listener());
}

function sayMoment() {
  const slider = byId("moment");
  const words = after(SIGNALS.steps[moment.at]);
  slider.value = moment.at;
  slider.setAttribute("aria-valuetext", words);
  byId("when").textContent = words;
}

function startSignals() {
  if (!SIGNALS.charts.length) return;
  for (const chart of SIGNALS.charts) {
    const lines = new LineChart(byId("signal-charts"), {
      title: chart.title,
      subtitle: `${chart.unit}, against ${chart.xlabel}`,
      has: (arm) => Boolean(chart.arms[arm]),
      note: (arm) => divergedWords(chart.arms[arm]?.frames[moment.at], ARMS[arm].total),
      curves: () => chart.arms.map((arm) => signalCurve(chart, arm, moment.at)),
      range: () => signalRange(chart),
      log: () => chart.log,
      guides: () => (chart.floor === null ? [] : [{ value: chart.floor, label: "below: inexact" }]),
    });
    momentListeners.push(() => lines.draw());
  }
  byId("moment").addEventListener("input", (event) => setMoment(Number(event.target.value)));
  sayMoment();
}

const divergedWords = (frame, total) => (frame?.diverged ? `${frame.diverged} of ${total} diverged` : "");

const placesOf = (arm, length) => Array.from({ length }, (_, k) => arm.start + k * arm.stride);

/** Values far below the floor are shown as 0. */
const raised = (chart, value) =>
  chart.log && chart.floor !== null && value !== null && value <= chart.floor * 10 ** -FLOOR_DECADES ? 0 : value;

function signalCurve(chart, arm, at) {
  const frame = arm?.frames[at];
  if (!frame?.y) return null;
  const values = (name) => frame[name]?.map((value) => raised(chart, decoded(value)));
  const x = placesOf(arm, frame.y.length);
  const y = values("y");
  return { x, y, low: values("low"), high: values("high"), ends: endsOf(chart, x, y) };
}

/** Where a curve runs into 0 or overflows, or comes out of it. */
function endsOf(chart, x, y) {
  if (!chart.log) return [];
  const gone = (i) => y[i] === 0 || y[i] === Infinity;
  const beside = (i) => i >= 0 && i < y.length && !gone(i);
  const places = [...y.keys()].filter((i) => gone(i) && (beside(i - 1) || beside(i + 1)));
  const all = y.length && y.every((_, i) => gone(i)) ? [0] : places;
  return all.map((i) => ({ x: x[i], y: y[i], mark: y[i] === 0 ? "▾" : "▴" }));
}

/** Of all moments, so that the axis stands still while the slider moves. */
function signalRange(chart) {
  const arms = chart.arms.filter((arm, position) => arm && isShown(position));
  const values = arms.flatMap((arm) => arm.frames.flatMap((frame) => [frame.y, frame.low, frame.high])).flat().map((value) => raised(chart, decoded(value)));
  return rangeOf(values, chart.log, LEAST_DECADES);
}
