"""Counts layout reads inside a page: what makes a browser lay out before it answers, if anything has changed.

The list is that of the properties and methods that force layout in Chromium. A read counts for the evaluation of the
script while the browser says that it is the one that runs now.
"""

COUNT_READS = """
(() => {
  let atEvaluation = 0;
  let all = 0;
  let isCounting = false;
  const named = {};
  const note = (name) => {
    if (!isCounting) return;
    all++;
    if (!document.currentScript || !document.currentScript.src) return;
    atEvaluation++;
    named[name] = (named[name] || 0) + 1;
  };
  const patch = (owner, name) => {
    const found = owner && Object.getOwnPropertyDescriptor(owner, name);
    if (!found || !found.configurable) return;
    const change = { ...found };
    if (found.get) change.get = function () { note(name); return found.get.call(this); };
    else if (typeof found.value === 'function') {
      change.value = function (...args) { note(name); return found.value.apply(this, args); };
    }
    Object.defineProperty(owner, name, change);
  };
  const sides = (prefix) => ['Left', 'Top', 'Width', 'Height'].map((side) => prefix + side);
  const boxes = ['getBoundingClientRect', 'getClientRects'];
  const views = ['innerWidth', 'innerHeight', 'scrollX', 'scrollY', 'pageXOffset', 'pageYOffset', 'getComputedStyle'];
  for (const name of [...sides('client'), ...sides('scroll'), ...boxes]) patch(Element.prototype, name);
  for (const name of [...sides('offset'), 'offsetParent', 'innerText']) patch(HTMLElement.prototype, name);
  for (const name of boxes) patch(Range.prototype, name);
  for (const name of views) patch(window, name);
  for (const name of ['elementFromPoint', 'elementsFromPoint']) patch(Document.prototype, name);
  window.readsBegin = () => { isCounting = true; };
  window.readsSoFar = () => JSON.stringify([atEvaluation, all, Object.keys(named)]);
})();
"""
READS_SO_FAR = "readsSoFar()"
