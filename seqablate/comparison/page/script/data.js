// The data of the page, and small helpers. Names and values from run folders become text, never markup.

const DATA = JSON.parse(document.getElementById("data").textContent);
const ARMS = DATA.arms;

const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** JSON has no infinite numbers: they are written as words. */
const decoded = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const power = (exponent) => "10" + [...String(exponent)].map((digit) => SUPERSCRIPT[digit]).join("");

/** Three significant digits, as in the tables. */
function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 1e-3 || size >= 1e4) ? value.toExponential(1) : String(Number(value.toPrecision(size < 1000 ? 3 : 4)));
  return text.replace("-", "−").replace("e−", "e−").replace("e+", "e");
}

/** What is known of the training at a step. */
const after = (step) => (step === 0 ? "at initialisation" : step === 1 ? "after 1 step" : `after ${step} steps`);

/** A line in an arm's look. */
function swatch(arm) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  const place = { x1: 1, y1: 5, x2: 29, y2: 5, class: `c${arm.colour}`, "stroke-dasharray": dashes(arm).join(" ") };
  for (const [name, value] of Object.entries({ width: 30, height: 10, class: "swatch", "aria-hidden": true }))
    svg.setAttribute(name, value);
  for (const [name, value] of Object.entries(place)) if (value !== "") line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

/** Lengths of an arm's dashes in pixels. */
const dashes = (arm) => arm.dash.map((length) => 2 * length);
