// @ts-check
// The button that goes round system → light → dark, remembered in this browser for the dashboard only.

const KEY = "jalki-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };

export function startTheme() {
  const button = document.querySelector("[data-theme-toggle]");
  if (!button) return;
  show(button);
  button.addEventListener("click", () => {
    const theme = NEXT[current()];
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    remember(theme);
    show(button);
  });
}

/** @returns {"system" | "light" | "dark"} */
function current() {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}

/** @param {string} theme */
function remember(theme) {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

/** @param {Element} button */
function show(button) {
  const title = { system: "System colours", light: "Light colours", dark: "Dark colours" }[current()];
  const name = button.querySelector("[data-theme-name]");
  if (name) name.textContent = title;
  button.setAttribute("title", `${title}; press to change`);
}
