// @ts-check
// The install page's watch: asks until the site's first event is stored, then turns green.

const PAUSE_MS = 2000;

export function startWatch() {
  const watch = /** @type {HTMLElement | null} */ (document.querySelector("[data-watch]"));
  if (watch && !watch.classList.contains("is-on")) void ask(watch);
}

/** @param {HTMLElement} watch */
async function ask(watch) {
  for (;;) {
    if (!document.hidden) {
      const state = await load(watch.dataset.watch ?? "");
      watch.querySelector(".watch-failed")?.toggleAttribute("hidden", state !== "failed");
      watch.querySelector(".watch-waiting")?.toggleAttribute("hidden", state === "failed");
      if (state === "receiving") return turnGreen(watch);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * @param {string} address
 * @returns {Promise<"waiting" | "receiving" | "failed">}
 */
async function load(address) {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (!answer.ok) return "failed";
    return (await answer.json()).is_receiving ? "receiving" : "waiting";
  } catch {
    return "failed";
  }
}

/** @param {HTMLElement} watch */
function turnGreen(watch) {
  watch.classList.add("is-on");
  watch.querySelector(".dot")?.classList.add("is-on");
}
