// @ts-check
// The reading of charts: a column under the pointer or chosen by arrow keys tells its row of the chart's hidden table.

export function startCharts() {
  for (const chart of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-chart]"))) startChart(chart);
}

/** @param {HTMLElement} chart */
function startChart(chart) {
  const tip = /** @type {HTMLElement | null} */ (chart.querySelector(".tip"));
  const columns = [...chart.querySelectorAll("[data-column]")];
  const names = [...chart.querySelectorAll("thead th")].map((cell) => cell.textContent ?? "");
  const rows = [...chart.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent ?? ""));
  let current = -1;
  if (!tip || !columns.length) return;

  /** @param {number} at */
  const show = (at) => {
    columns[current]?.classList.remove("is-current");
    current = at;
    const column = columns[at];
    tip.hidden = !column;
    if (!column) return;
    column.classList.add("is-current");
    tip.replaceChildren(...tell(names, rows[at] ?? []));
    place(tip, chart, column);
  };
  chart.addEventListener("pointermove", (event) => {
    const column = event.target instanceof Element ? event.target.closest("[data-column]") : null;
    const at = column ? columns.indexOf(column) : -1;
    if (at !== current) show(at);
  });
  chart.addEventListener("pointerleave", () => show(-1));
  chart.addEventListener("blur", () => show(-1));
  chart.addEventListener("keydown", (event) => {
    const last = columns.length - 1;
    const at = { ArrowRight: Math.min(current + 1, last), ArrowLeft: current < 0 ? last : Math.max(current - 1, 0), Home: 0, End: last, Escape: -1 }[event.key];
    if (at === undefined) return;
    event.preventDefault();
    show(at);
  });
}

/**
 * @param {string[]} names
 * @param {string[]} row
 */
function tell(names, row) {
  return row.map((text, index) => {
    const line = document.createElement(index ? "span" : "b");
    line.textContent = index ? `${names[index]}: ${text}` : text;
    return line;
  });
}

/**
 * @param {HTMLElement} tip
 * @param {HTMLElement} chart
 * @param {Element} column
 */
function place(tip, chart, column) {
  const frame = chart.getBoundingClientRect();
  const box = (column.querySelector(".hit") ?? column).getBoundingClientRect();
  const centre = box.left + box.width / 2 - frame.left;
  const left = centre + 12 + tip.offsetWidth > frame.width ? centre - 12 - tip.offsetWidth : centre + 12;
  tip.style.transform = `translate(${Math.max(0, Math.round(left))}px, 8px)`;
}
