// Light and dark: as the system has it until the button is pressed; light on paper.

const THEME = { dark: matchMedia("(prefers-color-scheme: dark)"), chosen: null, printing: false, colours: {} };
const redraws = []; // whatever draws on a canvas is drawn again in the new colours
const resizes = []; // and with a new width, in pixels; null: that of its place on the page

const isDark = () => !THEME.printing && (THEME.chosen ?? (THEME.dark.matches ? "dark" : "light")) === "dark";

/** A colour of the style sheet, looked up once a theme. */
function variable(name) {
  THEME.colours[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return THEME.colours[name];
}

const armColour = (arm) => (arm.colour === 6 ? variable("ink") : variable(`c${arm.colour}`));

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  THEME.colours = {};
  byId("theme").textContent = isDark() ? "light" : "dark";
  redraws.forEach((redraw) => redraw());
}

function startTheme() {
  THEME.dark.addEventListener("change", applyTheme);
  byId("theme").addEventListener("click", () => {
    THEME.chosen = isDark() ? "light" : "dark";
    applyTheme();
  });
  applyTheme();
}

/** On paper everything is open, and canvases are as wide as the paper. */
function startPrinting(width) {
  let closed = [];
  const begin = () => {
    if (THEME.printing) return;
    THEME.printing = true;
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => (details.open = true));
    resizes.forEach((resize) => resize(width));
    applyTheme();
  };
  const end = () => {
    THEME.printing = false;
    closed.forEach((details) => (details.open = false));
    resizes.forEach((resize) => resize(null));
    applyTheme();
  };
  addEventListener("beforeprint", begin);
  addEventListener("afterprint", end);
}
