// @ts-check
// Starts what a page has need of: each part looks for its own elements and does nothing where there are none.
import { startCharts } from "./charts.js";
import { startControls } from "./controls.js";
import { startCopying } from "./copying.js";
import { startTables } from "./tables.js";
import { startTheme } from "./theme_toggle.js";
import { startViewer } from "./viewer.js";
import { startWatch } from "./watch.js";

startTheme();
startControls();
startCopying();
startCharts();
startTables();
startWatch();
startViewer();
