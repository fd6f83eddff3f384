// A single-page application: each tea has a path of its own, and moving between them loads nothing.

const teas = [
  { kind: 'green', name: 'Halla', href: '/shop/halla-green', mood: 'I need to wake up gently', water: 70, seconds: 60, grams: 4,
    why: 'Green tea has enough caffeine to open the curtains and enough sweetness to forgive you for doing it.',
    steps: ['Boil the water, then pour it into an empty cup and back again: twice brings it to about 70 °C.', 'Four grams of leaf in a small warm pot.', 'One minute. Pour out every drop, or the second steep turns bitter.', 'Steep again for thirty seconds, and again for ninety.'] },
  { kind: 'black', name: 'Kaamos', href: '/shop/kaamos-black', mood: 'It is dark and it is Monday', water: 95, seconds: 240, grams: 5,
    why: 'Smoke, malt and a straight back. It takes milk, and it takes being forgotten on the windowsill.',
    steps: ['Warm the pot with boiling water and pour it away.', 'One heaped spoon a cup.', 'Four minutes under a lid. Longer if it is still Monday.', 'Milk first or last: we have friends on both sides.'] },
  { kind: 'oolong', name: 'Ruska', href: '/shop/ruska-oolong', mood: 'I have the whole afternoon', water: 90, seconds: 40, grams: 6,
    why: 'Seven small steeps, each a little different. It is less a drink than a way to spend the light.',
    steps: ['Rinse the beads with hot water for five seconds; pour that away.', 'Forty seconds for the first cup.', 'Add ten seconds for every cup that follows.', 'When it tastes of warm straw, stop and go for a walk.'] },
  { kind: 'white', name: 'Valo', href: '/shop/valo-white', mood: 'I want something quiet', water: 80, seconds: 300, grams: 3,
    why: 'So pale that it looks like nothing. Give it five minutes and your whole attention.',
    steps: ['Let the kettle stand open for five minutes after boiling.', 'Three grams, which is more than you think: buds are mostly air.', 'Five minutes.', 'What is left in the pot is very good cold.'] },
  { kind: 'herbal', name: 'Kuusi', href: '/shop/kuusi-herbal', mood: 'I would like to sleep', water: 100, seconds: 480, grams: 3,
    why: 'Spruce tips and lemon balm, no caffeine, and the smell of a forest after rain.',
    steps: ['Water at a full boil.', 'Three grams under a lid: the lid keeps the forest in.', 'Eight minutes. Do something slow.', 'Honey, if there is a cold involved.'] },
];

const root = document.querySelector('#finder');
let seconds = 0;

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const picture = (kind) => document.querySelector(`#pic-${kind}`).content.cloneNode(true);
const clock = (time) => `${Math.floor(time / 60)}:${String(time % 60).padStart(2, '0')}`;

function start() {
  const moods = teas.map((tea) => element('a', { href: `/finder/${tea.kind}`, id: `mood-${tea.kind}`, 'data-route': '' }, element('b', {}, tea.mood), element('span', {}, `${tea.name} →`)));
  return [
    element('section', { id: 'moods', class: 'moods' }, element('h2', {}, 'Choose an hour'), element('div', {}, ...moods)),
    element('section', { id: 'finder-picture' }, element('figure', {}, picture('start'), element('figcaption', {}, 'From left: Halla, Valo, Ruska, Kaamos.'))),
  ];
}

function brew(tea) {
  seconds = tea.seconds;
  const time = element('output', { id: 'time' }, clock(seconds));
  const turn = (by) => () => {
    seconds = Math.max(10, seconds + by);
    time.textContent = clock(seconds);
  };
  const less = element('button', { id: 'less', type: 'button', 'aria-label': 'Shorter' }, '−');
  const longer = element('button', { id: 'longer', type: 'button', 'aria-label': 'Longer' }, '+');
  less.addEventListener('click', turn(-10));
  longer.addEventListener('click', turn(10));
  const tabs = teas.map((other) => element('a', { href: `/finder/${other.kind}`, id: `tab-${other.kind}`, 'data-route': '', ...(other === tea ? { 'aria-current': 'page' } : {}) }, other.name));
  return [
    element('nav', { id: 'tabs', class: 'tabs', 'aria-label': 'Teas' }, element('a', { href: '/finder', id: 'tab-back', 'data-route': '' }, '← All hours'), ...tabs),
    element('section', { id: 'answer', class: 'answer' },
      element('figure', { id: 'answer-picture' }, picture(tea.kind)),
      element('div', {}, element('h2', {}, `${tea.name}, then`), element('p', { class: 'lead' }, tea.why),
        element('dl', { class: 'facts' }, ...[['Water', `${tea.water} °C`], ['Leaf', `${tea.grams} g`], ['Time', clock(tea.seconds)]].map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value)))),
        element('div', { class: 'buy' }, element('div', { class: 'stepper' }, less, time, longer), element('a', { id: 'buy-this', class: 'button', href: tea.href }, `Buy ${tea.name}`)))),
    element('section', { id: 'steps' }, element('h2', {}, 'Step by step'), element('ol', { class: 'steps' }, ...tea.steps.map((step) => element('li', {}, step)))),
  ];
}

function draw() {
  const tea = teas.find((one) => location.pathname === `/finder/${one.kind}`);
  document.title = `${tea ? `${tea.name}: ${tea.mood}` : 'Tea finder'} · Savi & Lehti`;
  root.replaceChildren(...(tea ? brew(tea) : start()));
}

root.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-route]');
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState({}, '', link.getAttribute('href'));
  draw();
});
addEventListener('popstate', draw);
draw();
