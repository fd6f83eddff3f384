// @ts-check
// Buttons that copy a text or the page's address, and say that they did.

const SAID_MS = 1600;

export function startCopying() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.querySelector(button.getAttribute("data-copy") ?? "");
    button.addEventListener("click", () => copy(button, source?.textContent ?? "", source));
  }
  for (const button of document.querySelectorAll("[data-copy-link]")) {
    button.addEventListener("click", () => copy(button, location.href, null));
  }
}

/**
 * @param {Element} button
 * @param {string} text
 * @param {Element | null} source selected instead where the clipboard is out of reach, as it is over plain HTTP
 */
async function copy(button, text, source) {
  try {
    await navigator.clipboard.writeText(text);
    say(button, "Copied");
  } catch {
    if (source) getSelection()?.selectAllChildren(source);
    say(button, source ? "Press Ctrl+C" : "Copy it above");
  }
}

/**
 * @param {Element} button
 * @param {string} word
 */
function say(button, word) {
  const label = button.querySelector("span");
  if (!label || button.classList.contains("is-done")) return;
  const before = label.textContent;
  label.textContent = word;
  button.classList.add("is-done");
  const live = document.querySelector("[data-announce]");
  if (live) live.textContent = word;
  setTimeout(() => {
    label.textContent = before;
    button.classList.remove("is-done");
  }, SAID_MS);
}
