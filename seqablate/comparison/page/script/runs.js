// Every run: its settings, what became of it, and the command that repeats it.

function startRuns() {
  byId("runs-table").addEventListener("click", (event) => {
    if (event.target.classList.contains("opener")) toggleDetails(event.target);
  });
  byId("command-list").textContent = DATA.runs.map((run) => run.command).join("\n");
  byId("facts").replaceChildren(...definitions(DATA.facts));
}

function toggleDetails(button) {
  const row = button.closest("tr");
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  button.textContent = open ? "details" : "close";
  if (open) row.nextElementSibling.remove();
  else row.after(detailsOf(DATA.runs[row.dataset.row], row.cells.length));
}

function closeDetails(table) {
  table.querySelectorAll(".opener[aria-expanded=true]").forEach(toggleDetails);
}

function detailsOf(run, columns) {
  const cell = make("td", { colSpan: columns, className: "details" });
  if (run.message) cell.append(make("p", { className: "message" }, run.message));
  if (run.other_code) cell.append(make("p", {}, `Not computed by the same code as the newest run: ${run.other_code}`));
  cell.append(
    make("p", { className: "path" }, run.path),
    make("pre", {}, run.command),
    make("dl", {}, ...definitions(run.own)),
  );
  return make("tr", { className: "details" }, cell);
}

const definitions = (facts) =>
  Object.entries(facts).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
