// @ts-check
// Keys and small comforts of the controls: arrow keys in rows of choices, popovers that Esc and a press outside close,
// the page picker's search, forms that fill in or send themselves.

export function startControls() {
  for (const row of document.querySelectorAll(".segments")) row.addEventListener("keydown", moveAlong);
  for (const popover of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("[data-popover]"))) {
    startPopover(popover);
  }
  for (const picker of document.querySelectorAll("[data-picker]")) startPicker(picker);
  startForms();
}

/** @param {Event} event */
function moveAlong(event) {
  const { key, target, currentTarget } = /** @type {KeyboardEvent} */ (event);
  const links = [.../** @type {Element} */ (currentTarget).querySelectorAll("a")];
  const at = links.indexOf(/** @type {HTMLAnchorElement} */ (target));
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: links.length - 1 }[key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  links[(to + links.length) % links.length]?.focus();
}

/** @param {HTMLDetailsElement} popover */
function startPopover(popover) {
  popover.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !popover.open) return;
    popover.open = false;
    popover.querySelector("summary")?.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (popover.open && event.target instanceof Node && !popover.contains(event.target)) popover.open = false;
  });
  popover.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !popover.contains(event.relatedTarget)) popover.open = false;
  });
}

/** @param {Element} picker */
function startPicker(picker) {
  const search = /** @type {HTMLInputElement | null} */ (picker.querySelector("[data-picker-search]"));
  const none = picker.querySelector("[data-picker-none]");
  const rows = [...picker.querySelectorAll("li")];
  if (!search) return;
  picker.addEventListener("toggle", () => {
    if (/** @type {HTMLDetailsElement} */ (picker).open) search.focus();
  });
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !(row.textContent ?? "").toLowerCase().includes(wanted);
    none?.toggleAttribute(
      "hidden",
      rows.some((row) => !row.hidden),
    );
  });
  picker.addEventListener("keydown", (event) => movePicker(/** @type {KeyboardEvent} */ (event), search, rows));
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLInputElement} search
 * @param {HTMLLIElement[]} rows
 */
function movePicker(event, search, rows) {
  const links = rows.filter((row) => !row.hidden).flatMap((row) => [...row.querySelectorAll("a")]);
  const at = links.indexOf(/** @type {HTMLAnchorElement} */ (document.activeElement));
  if (event.key === "Enter" && document.activeElement === search) {
    event.preventDefault();
    links[0]?.click();
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    links[Math.min(at + 1, links.length - 1)]?.focus();
  } else if (event.key === "ArrowUp") {
    event.preventDefault();
    (at > 0 ? links[at - 1] : search)?.focus();
  }
}

function startForms() {
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-auto-submit]"));
  form?.requestSubmit();
  const zone = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-time-zone]"));
  if (zone && zone.value === "UTC") zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.querySelector("[data-reload]")?.addEventListener("click", (event) => {
    event.preventDefault();
    location.reload();
  });
}
