/** Three lists of which one is shown, chosen by tabs as the ARIA Authoring Practices have them: arrows move, one tab stop. */
import { isAria, make, makeButton, say, setAria } from './nodes';

/** Lists with tabs. */
export interface Tabs {
  readonly elements: readonly HTMLElement[];
  /** Puts a line first and lets the last ones go. */
  add(index: number, line: HTMLElement, most: number): void;
  set(index: number, lines: readonly HTMLElement[]): void;
  /** Shows a number in the tab. */
  count(index: number, count: number): void;
}

interface Tab {
  readonly name: string;
  readonly button: HTMLButtonElement;
  readonly list: HTMLElement;
  readonly hint: string;
  hasHint: boolean;
}

/** Returns tabs of these names, with what an empty list says. */
export function openTabs(names: readonly (readonly [string, string])[]): Tabs {
  const bar = make('div', 'tabs');
  bar.setAttribute('role', 'tablist');
  const tabs: Tab[] = names.map(([name, hint], index) => {
    const button = makeButton('tab', name, name, () => select(index));
    button.setAttribute('role', 'tab');
    const list = make('ol', 'list', make('li', 'empty', hint));
    list.setAttribute('role', 'tabpanel');
    setAria(list, 'label', name);
    list.tabIndex = 0;
    return { name, button, list, hint, hasHint: true };
  });
  const select = (chosen: number) => {
    for (const [index, { button, list }] of tabs.entries()) {
      setAria(button, 'selected', `${index === chosen}`);
      button.tabIndex = index === chosen ? 0 : -1;
      list.hidden = index !== chosen;
    }
  };
  bar.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[key];
    const from = tabs.findIndex(({ button }) => isAria(button, 'selected'));
    if (!step) return;
    const to = (from + step) % tabs.length;
    select(to);
    tabs[to]?.button.focus();
  });
  bar.append(...tabs.map(({ button }) => button));
  select(0);

  return {
    elements: [bar, ...tabs.map(({ list }) => list)],
    add(index, line, most) {
      const tab = tabs[index];
      if (!tab) return;
      if (tab.hasHint) tab.list.replaceChildren();
      tab.hasHint = false;
      tab.list.prepend(line);
      while (tab.list.childElementCount > most) tab.list.lastElementChild?.remove();
    },
    set(index, lines) {
      const tab = tabs[index];
      if (!tab) return;
      tab.list.replaceChildren(...(lines.length ? lines : [make('li', 'empty', tab.hint)]));
    },
    count(index, count) {
      const tab = tabs[index];
      if (tab) say(tab.button, count ? `${tab.name} ${count}` : tab.name);
    },
  };
}
