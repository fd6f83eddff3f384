"""The page of the scripted visit: 5,000 elements of a shop's page, the same in every run. Pure.

A header with a search field, cards, a form, an article, more cards, a list of reviews and a footer. Parts that a
visitor may press say so in `data-press`; what is `dead` does nothing. The page's own script answers buttons and links.
"""

from collections.abc import Iterator
from itertools import count

ELEMENTS = 5_000
"""Elements of the page, html and head included."""

_WORDS = (
    *("kettle", "linen", "birch", "harbour", "lantern", "copper", "meadow", "winter", "ribbon", "quiet", "orchard"),
    *("pebble", "thread", "morning", "saddle", "willow", "amber", "cedar", "market", "north", "paper", "violet"),
)
_STYLE = """
*{box-sizing:border-box}body{margin:0;font:16px/1.5 sans-serif;color:#222}a{color:#05c}main{width:1080px;margin:0 auto}
header{position:sticky;top:0;height:56px;background:#fff;border-bottom:1px solid #ccc;padding:10px 24px;display:flex}
.cards{display:grid;grid-template-columns:repeat(3,1fr);gap:24px}
.card{border:1px solid #ddd;padding:12px;height:440px;overflow:hidden}.card>*{margin:4px 0}
.card svg{display:block;width:100%;height:90px}.card.on{background:#efe}form label{display:block;padding:6px 0}
article p{margin:0 0 12px}.rows li{height:52px;border-bottom:1px solid #eee;display:flex;gap:12px;align-items:center}
button{height:32px}h2{height:40px}footer{height:300px;background:#eee}
"""
_SCRIPT = """
window.pressed = [];
document.addEventListener('click', (event) => {
  const spot = event.target.closest('[data-press]');
  pressed.push(spot ? spot.dataset.press : 'nothing');
  const control = event.target.closest('button,a');
  if (!control) return;
  event.preventDefault();
  control.closest('.card,li,form,article,header').classList.toggle('on');
});
"""


def build_page() -> str:
    """Return the page's HTML, with exactly `ELEMENTS` elements once a browser has read it."""
    words = _words()
    parts = [_header(), "<main>", _intro(words), _cards(words, "New", 30), _form(), _article(words, 40)]
    parts += [_cards(words, "All goods", 100), _reviews(words, 256), "</main>"]
    parts += ["<footer><h2>Contact</h2><p>Come by.</p></footer>"]
    head = f"<meta charset=utf-8><title>Scripted shop</title><style>{_STYLE}</style>"
    page = f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}<script>{_SCRIPT}</script>"
    missing = ELEMENTS - _count_elements(page)
    return f"{page}<aside>{'<i></i>' * (missing - 1)}</aside></body></html>"


def _count_elements(html: str) -> int:
    return sum(html.count(f"<{letter}") for letter in "abcdefghijklmnopqrstuvwxyz")


def _words() -> Iterator[str]:
    for number in count():
        yield _WORDS[number * number % 89 % len(_WORDS)]


def _text(words: Iterator[str], length: int) -> str:
    return " ".join(next(words) for _ in range(length)).capitalize() + "."


def _header() -> str:
    links = "".join(f'<a href="/{name}" data-press=link>{name.title()}</a>' for name in ("new", "kitchen", "garden"))
    field = '<input name=q type=search placeholder="Search" data-press=field>'
    return f"<header><nav aria-label=Main>{links}</nav>{field}<button data-press=button>Cart</button></header>"


def _intro(words: Iterator[str]) -> str:
    return f"<section><h1>Scripted shop</h1><p data-press=dead>{_text(words, 40)}</p></section>"


def _cards(words: Iterator[str], title: str, cards: int) -> str:
    items = "".join(_card(words, number) for number in range(cards))
    return f"<section><h2>{title}</h2><div class=cards>{items}</div></section>"


def _card(words: Iterator[str], number: int) -> str:
    stars = "".join("<b>★</b>" for _ in range(5))
    tags = "".join(f"<li><span>{next(words)}</span></li>" for _ in range(4))
    return (
        f"<div class=card data-item={number}><svg data-press=dead viewBox='0 0 90 30'>"
        f"<rect width=90 height=30 fill='#dde' /><circle cx=45 cy=15 r=9 /></svg>"
        f"<h3>{next(words).title()} {next(words)}</h3><p data-press=dead>{_text(words, 9)}</p>"
        f"<div>{stars}<small>{number % 7 + 3} reviews</small></div><ul>{tags}</ul>"
        f"<p><a href='/goods/{number}' data-press=link>Details</a> <em>€{number % 40 + 9}</em> "
        f"<button data-press=button><span>Add</span></button></p></div>"
    )


def _form() -> str:
    names = ("name", "street", "town", "email", "phone", "message")
    fields = "".join(f"<label>{name.title()} <input name={name} data-press=field></label>" for name in names)
    options = "".join(f"<option>{number}" for number in range(1, 21))
    return (
        f"<section id=order><h2>Order</h2><form>{fields}<label>Pieces <select name=pieces>{options}</select></label>"
        "<button data-press=button>Send</button></form></section>"
    )


def _article(words: Iterator[str], paragraphs: int) -> str:
    text = "".join(
        f"<p data-press=dead>{_text(words, 30)} <a href='/{n}' data-press=link>{next(words)}</a> "
        f"<strong>{next(words)}</strong> {_text(words, 20)}</p>"
        for n in range(paragraphs)
    )
    return f"<article><h2>How it is made</h2>{text}</article>"


def _reviews(words: Iterator[str], rows: int) -> str:
    items = "".join(
        f"<li><b>{next(words).title()}</b><span data-press=dead>{_text(words, 6)}</span>"
        f"<time>day {n}</time><button data-press=button>Useful</button></li>"
        for n in range(rows)
    )
    return f"<section><h2>Reviews</h2><ul class=rows>{items}</ul></section>"
