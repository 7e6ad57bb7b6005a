// Tables: sorted by a click on a heading, filtered by the words in the box. The filter holds for the curves too.

const hiddenArms = new Set(); // by a click in a legend
const filtered = { arms: ARMS.map(() => true) };
const armListeners = [];

const isShown = (arm) => filtered.arms[arm] && !hiddenArms.has(arm);
const armsChanged = () => armListeners.forEach((listener) => listener());

function toggleArm(arm) {
  if (!hiddenArms.delete(arm)) hiddenArms.add(arm);
  armsChanged();
}

/** What a cell is sorted by: the number that it begins with, a share as a quotient; else its words. */
function sortKey(text) {
  const found = /^([−+-]?)(∞|\d[\d.]*(?:e[−+-]?\d+)?)(?:\/(\d+))?(?: %)?$/.exec(text);
  if (!found) return text;
  const size = found[2] === "∞" ? Infinity : Number(found[2].replace("−", "-"));
  return ((found[1] === "" || found[1] === "+" ? 1 : -1) * size) / Number(found[3] ?? 1);
}

/** Numbers by their size, then words. */
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, undefined, { numeric: true });
}

/** What is missing stands last, whatever the order. */
function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  closeDetails(table);
  const key = (row) => sortKey(row.querySelector(`[data-column="${column}"]`).textContent);
  const keyed = [...body.rows].map((row) => [key(row), row]);
  keyed.sort(([a], [b]) => {
    if ((a === "–") !== (b === "–")) return a === "–" ? 1 : -1;
    return descending ? compare(b, a) : compare(a, b);
  });
  body.append(...keyed.map(([, row]) => row));
}

function startSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading) => {
    heading.querySelector("button")?.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortTable(table, heading.dataset.column, descending);
    });
  });
}

const textOf = (row) => row.textContent.toLowerCase();

/** Rows that hold every word; a run also by its arm's words, its folder, message and command. */
function applyFilter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const holds = (text) => words.every((word) => text.includes(word));
  const armTexts = ARMS.map((arm) => arm.label.toLowerCase());
  for (const row of byId("arms-table").tBodies[0].rows) {
    const arm = Number(row.dataset.arm);
    filtered.arms[arm] = holds(armTexts[arm] + " " + textOf(row));
    row.hidden = !filtered.arms[arm];
  }
  for (const row of byId("runs-table").tBodies[0].querySelectorAll("tr[data-row]")) {
    const run = DATA.runs[row.dataset.row];
    const text = [textOf(row), run.path, run.message ?? "", run.command].join(" ").toLowerCase();
    row.hidden = !(filtered.arms[run.arm] || holds(text));
  }
  closeDetails(byId("runs-table"));
  const count = filtered.arms.filter(Boolean).length;
  byId("count").textContent = words.length ? `${count} of ${ARMS.length} arms` : "";
  armsChanged();
}

function startTables() {
  document.querySelectorAll("table").forEach(startSorting);
  byId("filter").addEventListener("input", applyFilter);
}
