// From top to bottom of the page.

const PAPER = 640; // width of a chart on paper, in pixels

startTheme();
startTables();
startRuns();
startLearning();
startSignals();
startHeatmaps();
startPrinting(PAPER);
applyFilter(); // draws everything
document.documentElement.dataset.ready = "true";
