// @ts-check
// Tables whose heads sort them: text by the reader's alphabet, numbers by each cell's data-value.

const ICON = '<svg class="icon" viewBox="0 0 20 20" width="14" height="14" aria-hidden="true"><path d="M10 15.5v-11M5.5 9l4.5-4.5 4.5 4.5"/></svg>';

export function startTables() {
  for (const table of /** @type {NodeListOf<HTMLTableElement>} */ (document.querySelectorAll("[data-sortable]"))) {
    for (const head of table.querySelectorAll("th[data-sort]")) startHead(table, head);
  }
}

/**
 * @param {HTMLTableElement} table
 * @param {Element} head
 */
function startHead(table, head) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sorter";
  button.append(...head.childNodes);
  button.insertAdjacentHTML("beforeend", ICON);
  head.append(button);
  button.addEventListener("click", () => {
    const first = head.getAttribute("data-sort") === "text" ? "ascending" : "descending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.querySelectorAll("th[aria-sort]")) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    sort(table, /** @type {HTMLTableCellElement} */ (head).cellIndex, head.getAttribute("data-sort") === "text", order === "ascending" ? 1 : -1);
  });
}

/**
 * @param {HTMLTableElement} table
 * @param {number} column
 * @param {boolean} isText
 * @param {1 | -1} sign
 */
function sort(table, column, isText, sign) {
  const body = table.tBodies[0];
  if (!body) return;
  const value = (/** @type {HTMLTableRowElement} */ row) => row.cells[column]?.getAttribute("data-value") ?? "";
  const rows = [...body.rows];
  rows.sort((a, b) => sign * (isText ? value(a).localeCompare(value(b)) : Number(value(a)) - Number(value(b))));
  body.append(...rows);
}
