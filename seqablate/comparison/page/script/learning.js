// Learning curves: a chart a metric.

const learning = { log: [], seeds: true };

function startLearning() {
  if (!DATA.learning.length) return;
  DATA.learning.forEach((chart, number) => {
    learning.log.push(spreads(chart));
    new LineChart(byId("learning-charts"), {
      title: chart.name,
      subtitle: [chart.unit, "in evaluation, against the training step"].filter(Boolean).join(", "),
      has: (arm) => Boolean(chart.arms[arm]),
      curves: () => chart.arms.map(learningCurve),
      range: () => learningRange(chart, learning.log[number]),
      log: () => learning.log[number],
      guides: () => guidesOf(chart),
    });
  });
  const controls = byId("learning-controls");
  DATA.learning.forEach((chart, number) =>
    controls.append(checkbox(`logarithmic axis for ${chart.name}`, learning.log[number], (on) => (learning.log[number] = on))),
  );
  if (DATA.learning.some((chart) => chart.arms.some((arm) => arm?.seeds.length)))
    controls.append(checkbox("every seed", true, (on) => (learning.seeds = on)));
}

function checkbox(words, checked, changed) {
  const box = make("input", { type: "checkbox", checked });
  box.addEventListener("change", () => {
    changed(box.checked);
    armsChanged();
  });
  return make("label", {}, box, words);
}

function learningCurve(arm) {
  if (!arm) return null;
  return {
    x: arm.x,
    y: arm.median.map(decoded),
    low: arm.low.map(decoded),
    high: arm.high.map(decoded),
    seeds: learning.seeds ? arm.seeds.map((seed) => seed.map(decoded)) : [],
    ends: arm.diverged.map(([x, y]) => ({ x, y: decoded(y), mark: "×" })),
  };
}

const shownLearning = (chart) => chart.arms.filter((arm, position) => arm && isShown(position));

function learningRange(chart, log) {
  const arms = shownLearning(chart);
  const values = arms.flatMap((arm) => [arm.median, arm.low, arm.high, ...(learning.seeds ? arm.seeds : [])]).flat().map(decoded);
  return rangeOf([...values, ...guidesOf(chart).map((guide) => guide.value)], log);
}

const guidesOf = (chart) =>
  ["goal", "chance"].filter((name) => chart[name] !== null).map((name) => ({ value: chart[name], label: `${name} ${number(chart[name])}` }));

/** Whether the values are spread over so many powers of 10 that a linear axis would hide most of them. */
function spreads(chart) {
  const values = chart.arms.filter(Boolean).flatMap((arm) => arm.median).map(decoded).concat(chart.goal ?? []);
  const finite = values.filter((value) => value !== null && Number.isFinite(value));
  return finite.length > 0 && Math.min(...finite) > 0 && Math.max(...finite) / Math.min(...finite) > 30;
}
