// The shop's few behaviours: filters, sorting, the quantity stepper, and forms that never send anything.

const filters = document.querySelectorAll('#filters [data-filter]');
const grid = document.querySelector('#grid');

function show(kind) {
  let count = 0;
  for (const card of grid.children) {
    card.hidden = kind !== 'all' && card.dataset.kind !== kind;
    count += card.hidden ? 0 : 1;
  }
  for (const button of filters) button.setAttribute('aria-pressed', String(button.dataset.filter === kind));
  document.querySelector('#count').textContent = count === 1 ? '1 thing' : `${count} things`;
}

const orders = {
  shelf: (a, b) => a.place - b.place,
  low: (a, b) => a.price - b.price,
  high: (a, b) => b.price - a.price,
  name: (a, b) => a.name.localeCompare(b.name),
};

if (grid) {
  const cards = [...grid.children].map((node, place) => ({ node, place, price: Number(node.dataset.price), name: node.dataset.name }));
  for (const button of filters) button.addEventListener('click', () => show(button.dataset.filter));
  document.querySelector('#sort').addEventListener('change', (event) => {
    grid.append(...[...cards].sort(orders[event.target.value]).map((card) => card.node));
  });
  const asked = new URLSearchParams(location.search).get('kind');
  if (asked && document.querySelector(`#filter-${CSS.escape(asked)}`)) show(asked);
}

const quantity = document.querySelector('#quantity');
if (quantity) {
  const step = (by) => {
    quantity.textContent = String(Math.min(12, Math.max(1, Number(quantity.textContent) + by)));
  };
  document.querySelector('#fewer').addEventListener('click', () => step(-1));
  document.querySelector('#more').addEventListener('click', () => step(1));
}

for (const form of document.querySelectorAll('form[data-quiet]')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const said = form.querySelector('.said');
    if (form.id === 'buy-form') {
      said.innerHTML = 'In your basket. <a href="/checkout">Go to checkout →</a>';
      document.querySelector('#nav-basket b').textContent = String(2 + Number(quantity.textContent));
      return;
    }
    said.textContent = form.dataset.said ?? 'Thank you! This is a sample shop, so no letter will come.';
  });
}
