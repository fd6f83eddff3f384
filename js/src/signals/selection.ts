/** Selected and copied text: how many characters, never which. */
import { listen, whenIdle } from '../guard';
import { COPY, SELECTION } from '../kinds';
import { clockMs } from '../screen';
import { plainText } from '../wire';
import { say } from './desk';
import { FIELD } from './fields';
import { innermostOf } from './innermost';
import { whenResting } from './resting';

/** A selection stands when it did not change for this long, ms. */
const REST_MS = 400;
/** Characters looked at; more than any reading person selects. */
const MAX_CHARS = 100000;

/** Says each selection that the visitor made, once it stands, and each copy. What a field holds is not counted: 0 characters. */
export function observeSelection(root: Document): void {
  /** The selection was there when a pointer or key was let go, so it is not a script's answer to that. */
  let isTheirs = false;
  let said = '';
  const rest = whenResting(REST_MS, () => {
    const range = rangeOf(root);
    const chars = range ? lengthOf(range) : 0;
    const now = range ? `${range.startOffset} ${chars}` : '';
    if (range && chars && now !== said) say(SELECTION, elementOf(range), chars);
    said = now;
  });
  listen(
    // Handles that are dragged on a phone change the selection and send nothing else.
    'pointerup keyup contextmenu selectionchange',
    ({ type, isTrusted }) => {
      if (type !== 'selectionchange') isTheirs = isTrusted && rangeOf(root) !== undefined;
      if (isTheirs) rest();
      else said = '';
    },
    root,
  );
  listen(
    'copy cut',
    (event) => {
      const field = innermostOf(event)?.closest(FIELD);
      const range = rangeOf(root)?.cloneRange();
      const now = clockMs();
      if (field) say(COPY, field);
      else if (range) whenIdle(() => say(COPY, elementOf(range), lengthOf(range), 0, '', now));
    },
    root,
  );
}

/** What is selected outside of fields; reads no layout, unlike the selection's own text. */
function rangeOf(root: Document): Range | undefined {
  const selection = root.getSelection();
  const range = selection?.rangeCount ? selection.getRangeAt(0) : undefined;
  return range && !range.collapsed && !elementOf(range)?.closest(FIELD) ? range : undefined;
}

function elementOf({ commonAncestorContainer: node }: Range): Element | null {
  return node.nodeType === 1 ? (node as Element) : node.parentElement;
}

function lengthOf(range: Range): number {
  return plainText(range.toString().slice(0, MAX_CHARS)).length;
}
