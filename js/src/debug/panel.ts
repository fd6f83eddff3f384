/** The panel: figures, the element under the pointer, and three lists. Shows what it is told and asks nobody. */
import type { Answer } from './answers';
import { type Beneath, EXTENTS } from './beneath';
import { type Entry, seconds } from './journal';
import { isAria, make, makeButton, nameIt, say, setAria } from './nodes';
import { openTabs } from './tabs';
import type { Reason } from './why';

/** Lines kept in a list; the oldest give way. */
const MAX_LINES = 100;

/** Figures of the present view. */
export interface Figures {
  readonly engagedMs: number;
  readonly clicks: number;
  readonly moves: number;
  readonly signals: number;
  readonly depthShare: number;
  readonly sections: string;
}

/** The panel of the overlay. */
export interface Panel {
  readonly element: HTMLElement;
  showState(off: Reason | null): void;
  showFigures(figures: Figures): void;
  showBeneath(beneath: Beneath): void;
  addEntry(entry: Entry): void;
  addBatch(title: string, answer: Answer): void;
  showLeftOut(reasons: readonly Reason[]): void;
}

/** What the buttons of the panel do. */
export interface Actions {
  outline(isOn: boolean): void;
  close(): void;
}

/** Returns a panel with nothing in it yet. */
export function openPanel(actions: Actions): Panel {
  const state = make('span', 'state', 'starting');
  state.setAttribute('role', 'status');
  const note = make('p', 'note');
  const figures = openFigures();
  const beneath = openBeneath();
  const tabs = openTabs([
    ['Events', 'Clicks and signals appear here as they are recorded.'],
    ['Batches', 'What leaves for the collector, and what it answers.'],
    ['Left out', 'Nothing on this page is left out.'],
  ]);
  const body = make('div', 'body', note, figures.element, beneath.element, ...tabs.elements);
  const element = make(
    'section',
    'panel',
    openHead(state, actions, (isFolded) => fold(isFolded)),
    body,
  );
  setAria(element, 'label', 'jalki: what is recorded on this page');
  const fold = (isFolded: boolean) => {
    body.hidden = isFolded;
    element.classList.toggle('folded', isFolded);
  };
  element.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') actions.close();
  });
  const counts = [0, 0];
  const add = (tab: number, line: HTMLElement) => {
    const count = (counts[tab] ?? 0) + 1;
    counts[tab] = count;
    tabs.add(tab, line, MAX_LINES);
    tabs.count(tab, count);
  };

  return {
    element,
    showState(off) {
      say(state, off ? 'not recording' : 'recording');
      state.classList.toggle('off', off !== null);
      note.classList.toggle('off', off !== null);
      figures.element.hidden = off !== null;
      if (off) note.replaceChildren(make('strong', '', off.title), off.advice);
      else say(note, 'While this panel is open, batches are judged by the collector and not stored.');
    },
    showFigures: figures.show,
    showBeneath: beneath.show,
    addEntry({ atMs, what, where }) {
      add(0, lineOf(seconds(atMs), make('span', 'what', what), make('code', 'more', where)));
    },
    addBatch(title, { isGood, text, advice }) {
      const answer = make('span', isGood ? 'good' : 'bad', text);
      add(1, lineOf(clockTime(), make('span', 'what', `${title} → `, answer), make('span', 'more', advice)));
    },
    showLeftOut(reasons) {
      tabs.set(
        2,
        reasons.map(({ title, advice }) =>
          make('li', 'plain', make('div', 'what', title), make('div', 'more', advice)),
        ),
      );
      tabs.count(2, reasons.length);
    },
  };
}

function lineOf(when: string, ...rest: HTMLElement[]): HTMLElement {
  return make('li', '', make('span', 'when', when), ...rest.filter((node) => node.textContent));
}

function clockTime(): string {
  return new Date().toTimeString().slice(0, 8);
}

function openHead(state: HTMLElement, actions: Actions, fold: (isFolded: boolean) => void): HTMLElement {
  const outline = makeButton('tool', 'Outlines', 'Outline the sections of the page', () => {
    const isOn = !isAria(outline, 'pressed');
    setAria(outline, 'pressed', `${isOn}`);
    actions.outline(isOn);
  });
  setAria(outline, 'pressed', 'true');
  const folder = makeButton('tool', '–', 'Fold', () => {
    const isFolded = isAria(folder, 'expanded');
    setAria(folder, 'expanded', `${!isFolded}`);
    say(folder, isFolded ? '+' : '–');
    nameIt(folder, isFolded ? 'Unfold' : 'Fold');
    outline.hidden = isFolded;
    fold(isFolded);
  });
  setAria(folder, 'expanded', 'true');
  const close = makeButton('tool', '×', 'Close', () => actions.close());
  return make('header', 'head', make('span', 'name', 'jalki'), state, make('div', 'tools', outline, folder, close));
}

function openFigures(): { element: HTMLElement; show(figures: Figures): void } {
  const names = ['engaged', 'clicks', 'moves', 'signals', 'depth', 'sections'];
  const values = names.map(() => make('dd', '', '–'));
  const element = make('dl', 'figures');
  for (const [index, value] of values.entries())
    element.append(make('div', '', make('dt', '', names[index] ?? ''), value));
  return {
    element,
    show({ engagedMs, clicks, moves, signals, depthShare, sections }) {
      const texts = [seconds(engagedMs), clicks, moves, signals, `${Math.round(depthShare * 100)} %`, sections];
      for (const [index, value] of values.entries()) say(value, `${texts[index]}`);
    },
  };
}

function openBeneath(): { element: HTMLElement; show(beneath: Beneath): void } {
  const chip = make('span', 'chip');
  chip.hidden = true;
  const section = make('span', '');
  const key = make('code', 'key');
  const words = make('p', 'words', 'Point at an element, or touch it.');
  const element = make(
    'div',
    'beneath',
    make('header', '', make('span', '', 'Under the pointer'), chip, section),
    key,
    words,
  );
  return {
    element,
    show(beneath) {
      const [name, advice] = EXTENTS[beneath.extent];
      chip.hidden = false;
      chip.className = `chip ${beneath.extent}`;
      say(chip, name);
      const steps = beneath.key.split('>');
      const last = steps.pop() ?? '';
      key.replaceChildren(steps.map((step) => `${step} › `).join(''), make('b', '', last));
      say(section, beneath.section && `in “${beneath.section}”`);
      say(words, advice || (beneath.words ? `Words taken: “${beneath.words}”` : 'No words of it are taken.'));
    },
  };
}
