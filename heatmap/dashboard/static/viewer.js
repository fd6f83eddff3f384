// @ts-check
// The heatmap viewer: links the list with the map, keeps the picture fresh without flicker, says when it cannot.
// What changes is rendered by the server and marked data-part; this script only puts the new parts in place.

const PAUSE_MS = 3000;
const OPACITY_KEY = "jalki-overlay";

export function startViewer() {
  const root = /** @type {HTMLElement | null} */ (document.querySelector("[data-viewer]"));
  if (!root) return;
  startLinks(root);
  startOpacity(root);
  void showPictures(root);
  root.querySelector("[data-stage-retry]")?.addEventListener("click", () => retryPictures(root));
  if (root.hasAttribute("data-live")) void keepFresh(root);
}

/** @param {HTMLElement} root */
function startOpacity(root) {
  const slider = /** @type {HTMLInputElement | null} */ (root.querySelector("[data-opacity]"));
  if (!slider) return;
  // The legend fades with the map, so that their colours match.
  const show = () => root.style.setProperty("--overlay", String(Number(slider.value) / 100));
  try {
    slider.value = localStorage.getItem(OPACITY_KEY) ?? slider.defaultValue;
  } catch {
    slider.value = slider.defaultValue;
  }
  show();
  slider.addEventListener("input", () => {
    show();
    try {
      localStorage.setItem(OPACITY_KEY, slider.value);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  });
}

/** @param {HTMLElement} root */
async function showPictures(root) {
  const stage = root.querySelector("[data-stage]");
  const failed = root.querySelector("[data-stage-failed]");
  const layers = [.../** @type {NodeListOf<HTMLImageElement>} */ (root.querySelectorAll("[data-layer]"))];
  try {
    await Promise.all(layers.map((layer) => layer.decode()));
    failed?.setAttribute("hidden", "");
  } catch {
    failed?.removeAttribute("hidden");
  }
  stage?.classList.remove("is-loading");
}

/** @param {HTMLElement} root */
function retryPictures(root) {
  root.querySelector("[data-stage]")?.classList.add("is-loading");
  for (const layer of root.querySelectorAll("[data-layer]")) layer.setAttribute("src", layer.getAttribute("src") ?? "");
  void showPictures(root);
}

/** @param {HTMLElement} root */
function startLinks(root) {
  root.addEventListener("pointerover", (event) => {
    const row = event.target instanceof Element ? event.target.closest("[data-element]") : null;
    if (row) point(root, row.getAttribute("data-element"));
  });
  root.addEventListener("focusin", (event) => {
    const row = event.target instanceof Element ? event.target.closest("[data-element]") : null;
    if (row) point(root, row.getAttribute("data-element"));
  });
  root.addEventListener("click", (event) => {
    const row = event.target instanceof Element ? event.target.closest("[data-element]") : null;
    if (row) reveal(root, row);
  });
  root.querySelector(".side")?.addEventListener("pointerleave", () => point(root, null));
  const stage = root.querySelector("[data-stage]");
  stage?.addEventListener("pointermove", (event) => {
    const id = find(root, /** @type {PointerEvent} */ (event));
    if (point(root, id)) rowOf(root, id)?.scrollIntoView({ block: "nearest" });
  });
  stage?.addEventListener("pointerleave", () => point(root, null));
  stage?.addEventListener("click", (event) => {
    const row = rowOf(root, find(root, /** @type {PointerEvent} */ (event)));
    if (row) reveal(root, row);
  });
}

/**
 * @param {HTMLElement} root
 * @param {string | null} id
 */
function rowOf(root, id) {
  return id === null ? null : root.querySelector(`[data-element="${CSS.escape(id)}"]`);
}

/**
 * Marks one element in the list and on the map.
 * @param {HTMLElement} root
 * @param {string | null} id
 * @returns {boolean} whether it is another one than before
 */
function point(root, id) {
  if ((root.dataset.current ?? null) === id) return false;
  if (id === null) delete root.dataset.current;
  else root.dataset.current = id;
  for (const item of root.querySelectorAll("[data-element], [data-outline]")) {
    item.classList.toggle("is-current", id !== null && (item.getAttribute("data-element") ?? item.getAttribute("data-outline")) === id);
  }
  return true;
}

/**
 * The smallest clicked element under the pointer.
 * @param {HTMLElement} root
 * @param {PointerEvent} event
 * @returns {string | null}
 */
function find(root, event) {
  let best = null;
  let least = Infinity;
  for (const outline of root.querySelectorAll("[data-outline]")) {
    const box = outline.getBoundingClientRect();
    const isOver = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (isOver && box.width * box.height < least) {
      least = box.width * box.height;
      best = outline.getAttribute("data-outline");
    }
  }
  return best;
}

/**
 * Opens or closes a row's detail and brings its element into view.
 * @param {HTMLElement} root
 * @param {Element} row
 */
function reveal(root, row) {
  const button = row.querySelector("[aria-expanded]");
  const detail = row.nextElementSibling;
  if (!button || !detail?.classList.contains("detail")) return;
  const isOpen = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(isOpen));
  detail.toggleAttribute("hidden", !isOpen);
  if (isOpen) centre(root, row.getAttribute("data-element"));
}

/**
 * @param {HTMLElement} root
 * @param {string | null} id
 */
function centre(root, id) {
  const scroller = root.querySelector(".map-scroll");
  const outline = [...root.querySelectorAll("[data-outline]")].find((item) => item.getAttribute("data-outline") === id);
  if (!scroller || !outline) return;
  const box = outline.getBoundingClientRect();
  const frame = scroller.getBoundingClientRect();
  if (box.top >= frame.top && box.bottom <= frame.bottom) return;
  scroller.scrollBy({ top: box.top + box.height / 2 - frame.top - frame.height / 2, behavior: "smooth" });
}

/** @param {HTMLElement} root */
async function keepFresh(root) {
  const button = root.querySelector("[data-viewer-retry]");
  let wake = () => {};
  button?.addEventListener("click", () => wake());
  document.addEventListener("visibilitychange", () => wake());
  let tag = "";
  for (;;) {
    await new Promise((resolve) => {
      wake = () => resolve(undefined);
      setTimeout(wake, PAUSE_MS);
    });
    if (!document.hidden) tag = await refresh(root, tag);
  }
}

/**
 * @param {HTMLElement} root
 * @param {string} tag of the parts that are shown
 * @returns {Promise<string>}
 */
async function refresh(root, tag) {
  try {
    const answer = await fetch(root.dataset.viewer ?? "", { headers: tag ? { "if-none-match": tag } : {}, redirect: "manual" });
    if (answer.type === "opaqueredirect") throw new Error("You are signed out: reload the page.");
    if (answer.status !== 304 && !answer.ok) throw new Error(`jalki could not load the figures (${answer.status}).`);
    if (answer.status !== 304) await replace(root, await answer.text());
    complain(root, "");
    return answer.headers.get("etag") ?? tag;
  } catch (error) {
    complain(root, error instanceof Error && error.name === "Error" ? error.message : "jalki does not answer. It is asked again every few seconds.");
    return tag;
  }
}

/**
 * @param {HTMLElement} root
 * @param {string} reason empty: all is well
 */
function complain(root, reason) {
  const notice = root.querySelector("[data-viewer-failed]");
  const text = root.querySelector("[data-viewer-reason]");
  if (text && reason) text.textContent = reason;
  notice?.toggleAttribute("hidden", !reason);
}

/**
 * Puts new parts in the place of old ones.
 * @param {HTMLElement} root
 * @param {string} html
 */
async function replace(root, html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  await replacePictures(root, fresh);
  const opened = new Set([...root.querySelectorAll(".reveal[aria-expanded=true]")].map((item) => item.getAttribute("aria-controls")));
  const focused = document.activeElement?.getAttribute("aria-controls") ?? null;
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = root.querySelector(`[data-part="${part.getAttribute("data-part")}"]`);
    if (old && old.outerHTML !== part.outerHTML) old.replaceWith(document.importNode(part, true));
  }
  reopen(root, opened, focused);
  const current = root.dataset.current ?? null;
  delete root.dataset.current;
  point(root, current);
}

/**
 * Shows new pictures, each only once it is decoded, so that nothing flickers.
 * @param {HTMLElement} root
 * @param {Document} fresh
 */
async function replacePictures(root, fresh) {
  for (const layer of /** @type {NodeListOf<HTMLImageElement>} */ (fresh.querySelectorAll("[data-layer]"))) {
    const old = root.querySelector(`[data-layer="${layer.dataset.layer}"]`);
    if (!old || old.getAttribute("src") === layer.getAttribute("src")) continue;
    const picture = new Image();
    picture.src = layer.getAttribute("src") ?? "";
    await picture.decode();
    for (const name of ["src", "width", "height"]) old.setAttribute(name, layer.getAttribute(name) ?? "");
  }
}

/**
 * Opens the rows of the list that were open, and gives the keyboard back to the one that had it.
 * @param {HTMLElement} root
 * @param {Set<string | null>} opened
 * @param {string | null} focused
 */
function reopen(root, opened, focused) {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".reveal"))) {
    const id = button.getAttribute("aria-controls");
    if (id === null) continue;
    if (opened.has(id)) {
      button.setAttribute("aria-expanded", "true");
      root.querySelector(`#${CSS.escape(id)}`)?.removeAttribute("hidden");
    }
    if (id === focused) button.focus({ preventScroll: true });
  }
}
