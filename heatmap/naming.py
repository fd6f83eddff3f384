"""What a person would call an element or a section of a page: its own words, else a kind of thing and where it lies.

Pure. Names are for reading alone; keys tell elements apart.
"""

import re

import numpy as np

from collector.ids import Role
from heatmap.layout import Float64, Layout

_CUT_CHARS = 32
"""The length at which the snippet cuts the labels of links, buttons and pictures."""

_CUT_ROLES = frozenset({Role.LINK, Role.BUTTON, Role.IMAGE, Role.MEDIA})
_STEP = re.compile(r"#(?P<id>.+)|[\w-]*\[(?:(?:name|aria-label|data-[\w-]+)=)?(?P<said>.+)\](?::\d+)?")
"""`#id`, `[data-testid=…]`, or a tag with what tells the element apart and its place."""
_ORDINAL = re.compile(r":\d+(?=>|$)")
_SUM = re.compile(r"~\d+")
"""Stands for text that was not shown."""
_ADDRESS = re.compile(r"(?:[\w+.-]+:)?\S*/\S*|\S+\.html?|#\S+")
_TAG = re.compile(r"[a-z][a-z0-9-]*")

_KINDS_OF_TAGS = {
    "a": "Link",
    "article": "Article",
    "aside": "Aside",
    "audio": "Sound",
    "blockquote": "Quote",
    "body": "Page",
    "button": "Button",
    "canvas": "Drawing",
    "figcaption": "Caption",
    "footer": "Footer",
    "form": "Form",
    "header": "Header",
    "html": "Page",
    "iframe": "Embedded page",
    "img": "Image",
    "label": "Label",
    "li": "List item",
    "main": "Page",
    "nav": "Navigation",
    "pre": "Code",
    "section": "Section",
    "summary": "Button",
    "svg": "Image",
    "td": "Table cell",
    "th": "Table head",
    "video": "Video",
}
_HOLDERS = frozenset({"Area", "Article", "Aside", "Footer", "Form", "Header", "Navigation", "Page", "Section"})
"""Kinds that hold sections rather than lie in one."""
_KINDS_OF_ROLES = {role: role.name.capitalize() for role in Role} | {Role.LANDMARK: "Area"}


def name_element(key: str, label: str, role: Role | None, section: str) -> str:
    """Return the label, else the name that the page's author gave it, else its kind and its section's title."""
    if label.strip():
        return _mark_cut(label, role)
    step = _last_step(key)
    kind = _kind_of(step, role)
    words = _read_words(step)
    if words or not section or kind in _HOLDERS:
        return words or kind
    return f"{kind} in “{section}”"


def name_section(key: str, title: str) -> str:
    """Return the title, else the words of the key, else its kind."""
    step = _last_step(key)
    return title or _read_words(step) or _kind_of(step, None)


def any_item(key: str) -> str:
    """Return the key without places, which names any item of a list: `main>li:3` and `main>li:4` are both `main>li`."""
    return _ORDINAL.sub("", key)


def find_titles(layout: Layout, x_px: Float64, y_px: Float64) -> list[str]:
    """Return for each point of the layout the title of the smallest section that holds it; empty where none does."""
    if not layout.section_titles:
        return [""] * len(x_px)
    left, top, width, height = layout.section_boxes.astype(np.float64).T
    x, y = x_px[:, None], y_px[:, None]
    holds = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
    areas = np.where(holds, width * height, np.inf)
    return [
        layout.section_titles[at] if found else ""
        for at, found in zip(areas.argmin(axis=1).tolist(), holds.any(axis=1).tolist(), strict=True)
    ]


def _last_step(key: str) -> str:
    return key.rsplit(">", 1)[-1]


def _mark_cut(label: str, role: Role | None) -> str:
    """Return a label that was cut in mid-word without that word's half."""
    if role not in _CUT_ROLES or len(label) < _CUT_CHARS:
        return label.strip()
    return (label.rsplit(" ", 1)[0] if " " in label else label) + "…"


def _read_words(step: str) -> str:
    """Return what an author chose to call an element, as words: #pull-quote is "Pull quote", a[/tea] is "Tea"."""
    chosen = _STEP.fullmatch(step)
    said = (chosen["id"] or chosen["said"]) if chosen else ""
    if not said or _SUM.fullmatch(said):
        return ""
    if _ADDRESS.fullmatch(said):
        said = " ".join(re.sub(r"^[\w+.-]*://|\.html?$|^[#/.]+", "", said).rstrip("/").split("/")[-2:])
    elif " " in said:
        return said[:1].upper() + said[1:]
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|[-_.\s]+", " ", said).strip()
    return text[:1].upper() + text[1:]


def _kind_of(step: str, role: Role | None) -> str:
    tag = _TAG.match(step)
    known = _KINDS_OF_TAGS.get(tag[0]) if tag else None
    return known or (_KINDS_OF_ROLES[role] if role is not None else "Element")
