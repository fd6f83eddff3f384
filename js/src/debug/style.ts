/** How the overlay looks. Constructed in script, as a strict policy of the page refuses style elements and attributes. */

const SHEET = `
:host {
  all: initial !important;
  position: fixed !important; inset: 0 !important; z-index: 2147483647 !important;
  display: block !important; overflow: hidden !important; pointer-events: none !important;
  color-scheme: light dark !important;
}
* { box-sizing: border-box; margin: 0; padding: 0; }
[hidden] { display: none !important; }
.panel, .outlines {
  --surface: #ffffff; --sunken: #f1f3f6; --line: #dfe4eb; --ink: #131820; --ink-2: #4b5565; --ink-3: #626d7e;
  --accent: #b8430f; --cool: #2a6c96; --cool-fill: rgb(42 108 150 / 8%); --good: #17744a; --good-soft: #e0f3ea;
  --bad: #b3261e; --bad-soft: #fdecea; --warn: #7a5200; --warn-soft: #fdf1d6; --hatch: rgb(19 24 32 / 14%);
  --shadow: 0 16px 40px rgb(19 24 32 / 22%), 0 2px 6px rgb(19 24 32 / 12%);
  font: 13px/1.45 ui-sans-serif, -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
@media (prefers-color-scheme: dark) {
  .panel, .outlines {
    --surface: #151a21; --sunken: #1e252f; --line: #313b48; --ink: #e9edf3; --ink-2: #a7b1c0; --ink-3: #8d98a8;
    --accent: #ff9559; --cool: #74b4dc; --cool-fill: rgb(116 180 220 / 10%); --good: #5fcf98; --good-soft: #163527;
    --bad: #ff8d84; --bad-soft: #3a1d1c; --warn: #f0c060; --warn-soft: #3a2d10; --hatch: rgb(233 237 243 / 22%);
    --shadow: 0 16px 40px rgb(0 0 0 / 60%), 0 2px 6px rgb(0 0 0 / 40%);
  }
}
.panel {
  position: absolute; right: 16px; bottom: 16px; width: 392px; max-width: calc(100% - 16px); max-height: min(680px, calc(100% - 32px));
  display: flex; flex-direction: column; overflow: hidden; pointer-events: auto;
  color: var(--ink); background: var(--surface); border: 1px solid var(--line); border-radius: 14px; box-shadow: var(--shadow);
}
button { font: inherit; color: inherit; background: none; border: 0; border-radius: 8px; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.head { display: flex; align-items: center; gap: 8px; padding: 8px 8px 8px 16px; border-bottom: 1px solid var(--line); }
.name { font-weight: 650; letter-spacing: -0.01em; }
.state { display: flex; align-items: center; gap: 6px; padding: 1px 10px 1px 8px; border-radius: 999px; font-weight: 550; white-space: nowrap; color: var(--good); background: var(--good-soft); }
.state::before { content: ""; width: 7px; height: 7px; border-radius: 50%; background: currentcolor; }
.state.off { color: var(--bad); background: var(--bad-soft); }
.tools { margin-left: auto; display: flex; gap: 2px; }
.tool { min-width: 32px; height: 32px; padding: 0 8px; color: var(--ink-2); }
.tool:hover { background: var(--sunken); color: var(--ink); }
.tool[aria-pressed="true"] { color: var(--cool); }
.panel.folded .head { border-bottom: 0; }
.panel.folded { width: auto; }
.body { display: flex; flex-direction: column; min-height: 0; }
.body > * { flex: none; }
.note { padding: 10px 16px; color: var(--ink-2); background: var(--sunken); border-bottom: 1px solid var(--line); }
.note.off { color: var(--ink); background: var(--bad-soft); }
.note strong { display: block; color: var(--bad); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(6, auto); padding: 10px 16px; border-bottom: 1px solid var(--line); }
.figures div { display: flex; flex-direction: column-reverse; }
.figures dt { font-size: 11px; color: var(--ink-3); }
.figures dd { font-size: 15px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.beneath { padding: 10px 16px; border-bottom: 1px solid var(--line); min-height: 112px; }
.beneath header { display: flex; align-items: center; gap: 8px; font-size: 11px; color: var(--ink-3); min-height: 20px; }
.chip { padding: 1px 8px; border-radius: 999px; font-weight: 550; color: var(--good); background: var(--good-soft); }
.chip.masked, .chip.field { color: var(--warn); background: var(--warn-soft); }
.chip.ignored, .chip.foreign { color: var(--ink-2); background: var(--sunken); }
code { font: 12px/1.5 ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
.key { display: block; margin: 2px 0; max-height: 54px; overflow: auto; color: var(--ink-2); }
.key b { color: var(--ink); font-weight: 650; }
.words { color: var(--ink-2); overflow-wrap: anywhere; }
.tabs { display: flex; gap: 2px; padding: 6px 12px 0; border-bottom: 1px solid var(--line); }
.tab { padding: 6px 10px; color: var(--ink-2); border-radius: 8px 8px 0 0; border-bottom: 2px solid transparent; white-space: nowrap; }
.tab:hover { color: var(--ink); }
.tab[aria-selected="true"] { color: var(--ink); font-weight: 600; border-bottom-color: var(--accent); }
.body > .list { flex: 1 1 auto; } .list { min-height: 132px; overflow: auto; overscroll-behavior: contain; list-style: none; }
.list li { display: grid; grid-template-columns: 52px 1fr; gap: 0 8px; padding: 6px 16px; border-bottom: 1px solid var(--line); }
.list li:last-child { border-bottom: 0; }
.list .when { color: var(--ink-3); font-variant-numeric: tabular-nums; }
.list .what { overflow-wrap: anywhere; }
.list .more { grid-column: 2; color: var(--ink-3); overflow-wrap: anywhere; }
.list .bad { color: var(--bad); font-weight: 600; }
.list .good { color: var(--good); }
.list .plain { display: block; }
.list .empty { display: block; color: var(--ink-3); }
.outlines { position: absolute; inset: 0; color: var(--ink); }
.box { position: absolute; left: 0; top: 0; border: 1.5px dashed var(--cool); border-radius: 4px; }
.box > span {
  position: absolute; right: -1.5px; top: -1.5px; max-width: 100%; padding: 0 6px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-size: 11px; line-height: 18px; color: var(--surface); background: var(--cool); border-radius: 0 4px 0 4px;
}
.box.ignored, .box.foreign { border: 1px solid var(--ink-3); background: repeating-linear-gradient(-45deg, var(--hatch) 0 4px, transparent 4px 10px); }
.box.masked { border: 1px solid var(--warn); background: repeating-linear-gradient(-45deg, rgb(214 150 20 / 16%) 0 4px, transparent 4px 10px); }
.box.ignored > span, .box.foreign > span { background: var(--ink-3); }
.box.masked > span { background: var(--warn); }
.box.beneath-pointer { border: 2px solid var(--accent); background: none; padding: 0; min-height: 0; }
@media (max-width: 520px) {
  .panel { right: 8px; left: 8px; bottom: 8px; width: auto; max-height: 54%; }
  .panel.folded { left: auto; }
  .panel:not(.folded) .beneath { min-height: 0; padding: 8px 12px; }
  .figures { padding: 8px 12px; }
  .figures dd { font-size: 13px; }
  .figures dt { font-size: 10px; }
  .key { max-height: 36px; }
  .body { display: flex; flex-direction: column; min-height: 0; }
.body > * { flex: none; }
.note { padding: 8px 12px; }
  .list { min-height: 96px; }
  .list li { padding: 6px 12px; }
}
@media (max-height: 560px) { .beneath { min-height: 0; } .list { min-height: 72px; } }
`;

/** Gives a shadow root the overlay's looks. */
export function dress(root: ShadowRoot): void {
  // Safari from 16.4 and Firefox from 101 on; before, the page's policy has to allow a style element.
  if ('adoptedStyleSheets' in root) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(SHEET);
    root.adoptedStyleSheets = [sheet];
    return;
  }
  const style = document.createElement('style');
  style.textContent = SHEET;
  (root as ShadowRoot).append(style);
}
