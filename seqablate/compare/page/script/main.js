// From top to bottom of the page.

const PAPER = 640; // width of a chart on paper, in pixels

startTables();
startRuns();
startLearning();
startSignals();
startHeatmaps();
startPrinting(PAPER);
startTheme();
applyFilter();
document.documentElement.dataset.ready = "true";
