// Sets the remembered colours before the first paint; a module would run after it. Loaded as a classic script in <head>.
(() => {
  try {
    const theme = localStorage.getItem("jalki-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's colours are used then.
  }
})();
