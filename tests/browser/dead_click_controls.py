"""Fourteen controls, each on a page of its own: eleven do something when they are clicked, three do nothing.

Each page can also tick: a clock, a carousel and an advertisement on it change by themselves every second. The tests and
the benchmark of dead clicks use the same pages.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """One thing to click: `#it` in `body`; `after` is code that makes it work."""

    name: str
    body: str
    after: str = ""
    is_dead: bool = False
    is_opaque: bool = False
    """What it does can not be seen from outside, so that nothing may be said of it."""


_BUTTON = '<button id="it">Press here</button>'

WORKING = (
    Control(
        "menu that opens on mousedown",
        _BUTTON + '<ul id="menu" hidden><li>One</ul>',
        "it.onmousedown = () => { menu.hidden = false };",
    ),
    Control("scrolls the page", _BUTTON, "it.onclick = () => scrollTo(0, 900);"),
    Control(
        "scrolls a row of cards",
        '<div id="row" style="width:200px;overflow:auto"><div style="width:900px">cards</div></div>' + _BUTTON,
        "it.onclick = () => row.scrollBy({left: 200});",
    ),
    Control(
        "starts an animation",
        _BUTTON + '<div id="box">box</div>',
        "it.onclick = () => box.animate([{opacity: 0}, {opacity: 1}], 300);",
    ),
    Control(
        "CSS-only toggle",
        '<style>#more{display:none} #on:checked~#more{display:block} #on{position:absolute;left:-99px}</style>'
        '<input type="checkbox" id="on"><label id="it" for="on">Press here</label><p id="more">more</p>',
    ),
    Control("draws on a canvas", '<canvas id="it" width="200" height="100"></canvas>',
            "it.onclick = () => it.getContext('2d').fillRect(0, 0, 50, 50);", is_opaque=True),
    Control("details", '<details><summary id="it">Press here</summary>text</details>'),
    Control(
        "custom element",
        '<x-panel></x-panel>',
        """customElements.define('x-panel', class extends HTMLElement {
             connectedCallback() {
               const root = this.attachShadow({mode: 'open'});
               root.innerHTML = '<button id="it">Press here</button><p hidden>text</p>';
               root.querySelector('button').onclick = () => { root.querySelector('p').hidden = false };
             }});""",
    ),
    Control(
        "answer after 1.5 s",
        _BUTTON + '<p id="out"></p>',
        "it.onclick = async () => { out.textContent = await (await fetch('/slow')).text() };",
    ),
    Control("goes back in the history", _BUTTON,
            "history.pushState(1, '', '?a'); history.pushState(2, '', '?b'); it.onclick = () => history.back();"),
    Control("leads to a field", _BUTTON + '<input id="search">', "it.onclick = () => search.focus();"),
)  # fmt: skip

DEAD = (
    Control(
        "button with a style for being pressed",
        "<style>#it{transition:background .15s} #it:hover{background:#eef} #it:active{background:#aaf}</style>"
        + _BUTTON,
        is_dead=True,
    ),
    Control("link to nowhere", '<a id="it" href="#">Press here</a>', is_dead=True),
    Control("thing with a pointer cursor", '<div id="it" style="cursor:pointer">Press here</div>', is_dead=True),
)

CONTROLS = WORKING + DEAD

_TICKER = """<p id="clock">0</p><div id="slides"><b class="on">1</b><b>2</b><b>3</b></div><div id="ad">ad</div>
<script>
  let ticks = 0;
  setInterval(() => {
    clock.textContent = ++ticks;
    slides.querySelector('.on').classList.remove('on');
    slides.children[ticks % 3].classList.add('on');
    ad.style.marginLeft = ticks % 5 + 'px';
  }, 1000);
</script>"""


def control_page(control: Control, head: str = "", *, is_ticking: bool = False) -> str:
    """Return the page of one control; `head` is what observes it."""
    return f"""<!doctype html><html><head>{head}<style>#it {{ display: inline-block }}</style></head>
<body style="height:3000px">{_TICKER if is_ticking else ""}<main>{control.body}</main><button id="last">Last</button>
<script>{control.after}</script></body></html>"""
