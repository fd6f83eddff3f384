"""A page as a designer's wireframe, drawn from the boxes of a layout: a calm backdrop for any map.

Pure: a layout in, PNG bytes out. It draws in grey levels that one palette turns into slate ink on white paper, so that
all colour is left to the map above it. Words are drawn only where the layout has them: headings, links and buttons.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from collector.ids import Role
from heatmap.layout import Layout
from heatmap.palette import Palette
from heatmap.render import encode_palette_png, image_size

Flags = npt.NDArray[np.bool_]

# Grey levels, 0 darkest ink to 255 paper; dark enough to be seen through the veil of a map.
_DESK = 244
_PAPER = 255
_BORDER = 196
_CARD_BORDER = 178
_IMAGE = 222
_IMAGE_LINE = 186
_MEDIA = 205
_BAR = 176
_LINK_BAR = 118
_LINK_INK = 44
_FIELD_BORDER = 128
_BUTTON = 208  # light: heat over a dark fill would look cooler than the same heat on paper
_BUTTON_BORDER = 90
_BUTTON_BAR = 118
_HEADING_INK = 0

# Stops of the ink, (level, colour): slate 800 to white.
_INK = (
    (0, "1e293b"),
    (90, "5b6b82"),
    (160, "9aa8ba"),
    (205, "cbd5e1"),
    (232, "e8edf3"),
    (246, "f6f8fa"),
    (255, "ffffff"),
)

_MAX_DRAWN_PIXELS = 48_000_000  # 48 MB of grey levels while drawing
_LINE_HEIGHT_PX = 26  # of body text nobody measured
_LINE_RATIO = 1.25  # line height ÷ font size
_MAX_HEADING_LINES = 6
_MIN_TEXT_PIXELS = 7  # smaller letters are a blur; a bar says the same
_LAST_LATIN = "\u017f"  # the bundled font draws an empty box for what lies beyond
_PLAIN = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014", "''\"\"--", "\u2190\u2192\u203a")  # and drops arrows
_CARD_MIN_H_PX = 72
_FRAME_MIN_H_PX = 40
_PRESSABLE_MIN_H_PX = 36  # a link this tall, with words of one line, is dressed as a button
_ICON_MAX_PX = 40
_ICON_BUTTON_MAX_PX = 64
_PRESSABLE_MAX_W_PX = 420
_DISCLOSURE_MIN_W_PX = 480  # a button this wide is the head of something that unfolds
_MENU_LINKS = 3
_MENU_PX = 700  # as far as links of one menu are apart
_TOLERANCE_PX = 2
_INDENT_PX = 12
_TWO_LINES = 1.6  # times the usual line height: two lines of small text
_FILLED_SHARE = 0.4  # a text box that other boxes fill by more has no lines of its own


@dataclass(slots=True)
class _Sheet:
    """The image while it is drawn; coordinates of its methods are CSS px of the layout."""

    image: Image.Image
    ratio: float
    fonts: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pen = ImageDraw.Draw(self.image)

    pen: ImageDraw.ImageDraw = field(init=False)

    def corners(self, box: "_Box") -> tuple[int, int, int, int]:
        """Return the box's first and last pixel on both axes."""
        x, y = round(box.x * self.ratio), round(box.y * self.ratio)
        right, bottom = round((box.x + box.w) * self.ratio), round((box.y + box.h) * self.ratio)
        return x, y, max(x, right - 1), max(y, bottom - 1)

    def rectangle(self, box: "_Box", fill: int, outline: int | None = None, radius_px: float = 0) -> None:
        """Fill a box, with a border and round corners where asked."""
        corners = self.corners(box)
        radius = min(radius_px * self.ratio, (corners[2] - corners[0]) / 2, (corners[3] - corners[1]) / 2)
        self.pen.rounded_rectangle(corners, radius, fill, outline, max(1, round(self.ratio)))

    def line(self, ends_px: tuple[float, float, float, float], ink: int) -> None:
        """Draw a hair line."""
        self.pen.line([end * self.ratio for end in ends_px], ink, max(1, round(self.ratio)))

    def font(self, size_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        """Return the bundled font at a size."""
        pixels = max(1, round(size_px * self.ratio))
        if pixels not in self.fonts:
            self.fonts[pixels] = ImageFont.load_default(pixels)
        return self.fonts[pixels]

    def length_px(self, text: str, size_px: float) -> float:
        """Return how wide a text would be."""
        return self.font(size_px).getlength(text) / self.ratio

    def text(self, at_px: tuple[float, float], text: str, size_px: float, ink: int, anchor: str = "lm") -> None:
        """Write a line of text; `at_px` is its middle on the left, or its centre with anchor `mm`."""
        self.pen.text((at_px[0] * self.ratio, at_px[1] * self.ratio), text, ink, self.font(size_px), anchor=anchor)


@dataclass(frozen=True, slots=True)
class _Box:
    """One element of the layout, in CSS px."""

    x: float
    y: float
    w: float
    h: float
    role: Role = Role.TEXT
    label: str = ""
    seed: int = 0
    holds: frozenset[Role] = frozenset()
    is_prose: bool = False
    is_inline: bool = False
    is_listed: bool = False

    @property
    def is_pressable(self) -> bool:
        """A link in one line of words with much room above and below: pages dress such links as buttons."""
        is_tall = _PRESSABLE_MIN_H_PX <= self.h < _CARD_MIN_H_PX and self.w < _PRESSABLE_MAX_W_PX
        return self.role is Role.LINK and is_tall and not self.is_inline and Role.IMAGE not in self.holds


def draw_wireframe(layout: Layout, size_px: tuple[int, int], px_per_pixel: int) -> bytes:
    """Return the wireframe of a layout scaled to a picture of `size_px` (width, height), as PNG.

    `px_per_pixel` is 1, 2 or 4. What lies below or beside the picture is cut off.
    """
    width, height = image_size(size_px, px_per_pixel)
    finer = _oversampling(width * height, px_per_pixel)
    image = Image.new("L", (width * finer, height * finer), _DESK)
    sheet = _Sheet(image, size_px[0] / layout.width_px / px_per_pixel * finer)
    for box in _arrange(layout):
        _draw_box(sheet, box)
    shrunk = image.reduce(finer) if finer > 1 else image
    return encode_palette_png([np.asarray(shrunk)], (width, height), _ink_palette())


def _oversampling(pixels: int, px_per_pixel: int) -> int:
    """Return how much larger to draw before shrinking, which rounds corners and letters softly."""
    wanted = 4 if px_per_pixel > 2 else 2
    while wanted > 1 and pixels * wanted**2 > _MAX_DRAWN_PIXELS:
        wanted //= 2
    return wanted


def _ink_palette() -> Palette:
    levels, colours = zip(*_INK, strict=True)
    stops = np.array([list(bytes.fromhex(colour)) for colour in colours])
    rgb = [np.interp(np.arange(256), levels, channel) for channel in stops.T]
    palette: Palette = np.rint(np.column_stack([*rgb, np.full(256, 255)])).astype(np.uint8)
    return palette


def _arrange(layout: Layout) -> list[_Box]:
    """Return the boxes in the order to draw them: large before small, what is fixed to the viewport last."""
    if layout.element_ids.size == 0:
        return []
    area = layout.w_px.astype(np.float64) * layout.h_px
    inside = _containment(layout, area)
    prose = _find_prose(layout, inside, inside @ area / area)
    titled: Flags = np.any(inside[layout.roles == Role.HEADING], axis=0) & (layout.roles == Role.LINK)
    inline: Flags = np.any(inside[prose], axis=0)
    listed = _find_lists(layout)
    return [
        _build_box(layout, row, inside[row], (bool(prose[row]), bool(inline[row]), bool(listed[row])))
        for row in np.lexsort((-area, layout.is_fixed)).tolist()
        if not titled[row]  # a heading's own words say what its link says
    ]


def _find_lists(layout: Layout) -> Flags:
    """Return which links stand in a row or column of at least three alike, as those of a menu do."""
    links = np.flatnonzero(layout.roles == Role.LINK)
    x, y, w, h = (column[links].astype(np.int64) for column in (layout.x_px, layout.y_px, layout.w_px, layout.h_px))
    alike = np.abs(h[:, None] - h[None]) <= _TOLERANCE_PX
    near = np.abs(x[:, None] - x[None]) + np.abs(y[:, None] - y[None]) < _MENU_PX
    row = np.abs(y[:, None] - y[None]) <= _TOLERANCE_PX
    column = (np.abs(x[:, None] - x[None]) <= _TOLERANCE_PX) & (np.abs(w[:, None] - w[None]) <= _TOLERANCE_PX)
    listed: Flags = np.zeros(layout.roles.size, np.bool_)
    listed[links] = (alike & near & (row | column)).sum(axis=1) >= _MENU_LINKS
    return listed


def _find_prose(layout: Layout, inside: Flags, filled: npt.NDArray[np.float64]) -> Flags:
    """Return which boxes are running text: no blocks within, little covered, and no lone link on a line of its own."""
    links, text = layout.roles == Role.LINK, layout.roles == Role.TEXT
    blocks = np.isin(layout.roles, [Role.TEXT, Role.HEADING, Role.FIELD, Role.MEDIA, Role.LANDMARK])
    begins = np.abs(layout.x_px[None].astype(np.int64) - layout.x_px[:, None]) < _INDENT_PX
    led = (inside & links[None] & begins).any(axis=1) & (layout.h_px < _TWO_LINES * _LINE_HEIGHT_PX)
    prose: Flags = text & ~(inside & blocks[None]).any(axis=1) & (filled <= _FILLED_SHARE) & ~led
    return prose


def _containment(layout: Layout, area: npt.NDArray[np.float64]) -> Flags:
    """Return bool[outer, inner]: which larger box holds which smaller one."""
    x, y = layout.x_px.astype(np.int64), layout.y_px.astype(np.int64)
    right, bottom = x + layout.w_px, y + layout.h_px
    holds: Flags = (
        (x[None] >= x[:, None] - _TOLERANCE_PX)
        & (y[None] >= y[:, None] - _TOLERANCE_PX)
        & (right[None] <= right[:, None] + _TOLERANCE_PX)
        & (bottom[None] <= bottom[:, None] + _TOLERANCE_PX)
        & (area[None] < area[:, None])
        & (layout.is_fixed[None] == layout.is_fixed[:, None])
    )
    return holds


def _build_box(layout: Layout, row: int, inside: Flags, flags: tuple[bool, bool, bool]) -> _Box:
    return _Box(
        float(layout.x_px[row]),
        float(layout.y_px[row]),
        float(layout.w_px[row]),
        float(layout.h_px[row]),
        Role(int(layout.roles[row])),
        layout.labels[row].translate(_PLAIN).strip(),
        int(layout.element_ids[row]) & 0xFFFF,
        frozenset(Role(role) for role in layout.roles[inside].tolist()),
        *flags,
    )


def _draw_box(sheet: _Sheet, box: _Box) -> None:
    if box.role is Role.LANDMARK:
        sheet.rectangle(box, _PAPER, _BORDER if box.h >= _FRAME_MIN_H_PX else None)
    elif box.role is Role.IMAGE:
        _draw_image(sheet, box)
    elif box.role is Role.MEDIA:
        _draw_media(sheet, box)
    elif box.role is Role.FIELD:
        _draw_field(sheet, box)
    elif box.role is Role.HEADING:
        _draw_heading(sheet, box)
    elif box.role is Role.TEXT:
        _draw_text(sheet, box)
    elif _is_card(box):
        sheet.rectangle(box, _PAPER, _CARD_BORDER, radius_px=8)
    elif box.role is Role.BUTTON or (box.is_pressable and not box.is_listed):
        _draw_button(sheet, box)
    else:
        _draw_link(sheet, box)


def _is_card(box: _Box) -> bool:
    return box.h >= _CARD_MIN_H_PX and bool(box.holds & {Role.IMAGE, Role.HEADING, Role.TEXT, Role.MEDIA, Role.BUTTON})


def _draw_image(sheet: _Sheet, box: _Box) -> None:
    if max(box.w, box.h) <= _ICON_MAX_PX:
        sheet.rectangle(box, _BAR, radius_px=min(box.w, box.h) / 4)
        return
    sheet.rectangle(box, _IMAGE, _IMAGE_LINE, radius_px=4)
    right, bottom = box.x + box.w - 1, box.y + box.h - 1
    sheet.line((box.x, box.y, right, bottom), _IMAGE_LINE)
    sheet.line((box.x, bottom, right, box.y), _IMAGE_LINE)


def _draw_media(sheet: _Sheet, box: _Box) -> None:
    sheet.rectangle(box, _MEDIA, _CARD_BORDER, radius_px=6)
    radius = min(box.w, box.h, 160) / 5
    x, y = box.x + box.w / 2, box.y + box.h / 2
    sheet.rectangle(_Box(x - radius, y - radius, 2 * radius, 2 * radius), _PAPER, radius_px=radius)
    arm = radius * 0.45
    points = ((x - arm * 0.7, y - arm), (x - arm * 0.7, y + arm), (x + arm, y))
    sheet.pen.polygon([(px * sheet.ratio, py * sheet.ratio) for px, py in points], _LINK_INK)


def _draw_field(sheet: _Sheet, box: _Box) -> None:
    sheet.rectangle(box, _PAPER, _FIELD_BORDER, radius_px=4 if box.h < _LINE_HEIGHT_PX else 6)
    if box.w < 2 * box.h or box.w < 60:
        return
    top = box.y + min(box.h, 44) / 2 - 4
    sheet.rectangle(_Box(box.x + 12, top, min(120.0, box.w * 0.4), 8), _BAR, radius_px=4)


def _draw_button(sheet: _Sheet, box: _Box) -> None:
    if max(box.w, box.h) <= _ICON_BUTTON_MAX_PX and (not box.label or Role.IMAGE in box.holds):
        sheet.rectangle(box, _PAPER, _CARD_BORDER, radius_px=6)
        return
    size = min(16.0, box.h * 0.5)
    if box.w > _DISCLOSURE_MIN_W_PX and _is_legible(sheet, box.label, size):
        sheet.rectangle(box, _PAPER, _FIELD_BORDER, radius_px=8)
        text = _cut(sheet, box.label, size, box.w - 32)
        sheet.text((box.x + 16, box.y + box.h / 2), text, size, _LINK_INK)
        return
    sheet.rectangle(box, _BUTTON, _BUTTON_BORDER, radius_px=min(8, box.h / 4))
    if not box.label or box.w < 1.5 * size:
        return
    if _is_legible(sheet, box.label, size):
        centre = (box.x + box.w / 2, box.y + box.h / 2)
        sheet.text(centre, _cut(sheet, box.label, size, box.w - size), size, _HEADING_INK, "mm")
        return
    width = min(box.w * 0.6, len(box.label) * size * 0.5)
    sheet.rectangle(_Box(box.x + (box.w - width) / 2, box.y + box.h / 2 - size / 4, width, size / 2), _BUTTON_BAR)


def _draw_link(sheet: _Sheet, box: _Box) -> None:
    if Role.IMAGE in box.holds:
        _draw_words_beside_icon(sheet, box)
        return
    size = min(16.0, box.h * 0.78)
    middle = box.y + box.h / 2
    if not box.is_inline and _is_legible(sheet, box.label, size) and box.w > size:
        text = _cut(sheet, box.label, size, box.w + size)
        if box.is_pressable:
            sheet.rectangle(box, _PAPER, _LINK_BAR, radius_px=8)
            sheet.text((box.x + box.w / 2, middle), text, size, _LINK_INK, "mm")
            return
        # A padded link has its words in the middle of its box.
        left = box.x + max(0.0, (box.w - sheet.length_px(text, size)) / 2 if box.w < 240 else min(12.0, box.w / 20))
        width = min(sheet.length_px(text, size), box.w)
        sheet.text((left, middle), text, size, _LINK_INK)
        sheet.line((left, middle + size * 0.62, left + width, middle + size * 0.62), _LINK_BAR)
        return
    sheet.rectangle(_Box(box.x - 4, middle - size * 0.4, box.w + 8, size * 0.8), _PAPER)
    sheet.rectangle(_Box(box.x, middle - size * 0.3, box.w, size * 0.6), _LINK_BAR, radius_px=size * 0.3)


def _draw_words_beside_icon(sheet: _Sheet, box: _Box) -> None:
    size = min(16.0, box.h * 0.5)
    left = box.x + box.h + _INDENT_PX
    if box.h <= _CARD_MIN_H_PX and box.w > 2 * box.h and _is_legible(sheet, box.label, size):
        sheet.text((left, box.y + box.h / 2), _cut(sheet, box.label, size, box.x + box.w - left), size, _LINK_INK)


def _draw_heading(sheet: _Sheet, box: _Box) -> None:
    if not box.label:
        _draw_lines(sheet, box)
        return
    for lines in range(1, _MAX_HEADING_LINES + 1):
        size = min(72.0, box.h / lines / _LINE_RATIO)
        wrapped = _wrap(sheet, box.label, size, box.w) if size * sheet.ratio >= 1 else []
        if len(wrapped) <= lines:
            break
    if not _is_legible(sheet, box.label, size):
        width = min(box.w, len(box.label) * size * 0.5)
        sheet.rectangle(_Box(box.x, box.y + box.h * 0.25, width, box.h * 0.5), _LINK_INK)
        return
    pitch = box.h / max(1, len(wrapped))
    for number, text in enumerate(wrapped[:lines]):
        sheet.text((box.x, box.y + (number + 0.5) * pitch), text, size, _HEADING_INK)


def _draw_text(sheet: _Sheet, box: _Box) -> None:
    if box.is_prose:
        _draw_lines(sheet, box)
    elif box.h >= _CARD_MIN_H_PX and Role.IMAGE in box.holds:
        sheet.rectangle(box, _PAPER, _CARD_BORDER, radius_px=8)


def _draw_lines(sheet: _Sheet, box: _Box) -> None:
    """Draw body text as bars; the last line of several is shorter, by an amount that is the element's own."""
    lines = max(1, round(box.h / _LINE_HEIGHT_PX))
    pitch = box.h / lines
    thickness = min(9.0, pitch * 0.4)
    for line in range(lines):
        is_last = line == lines - 1 and box.w > 160
        share = 0.35 + 0.5 * (box.seed / 0xFFFF) if is_last else 1 - 0.06 * ((box.seed >> line % 13) % 3) / 2
        top = box.y + (line + 0.5) * pitch - thickness / 2
        sheet.rectangle(_Box(box.x, top, box.w * share, thickness), _BAR, radius_px=thickness / 2)


def _is_legible(sheet: _Sheet, text: str, size_px: float) -> bool:
    return bool(text) and size_px * sheet.ratio >= _MIN_TEXT_PIXELS and max(text) <= _LAST_LATIN


def _cut(sheet: _Sheet, text: str, size_px: float, width_px: float) -> str:
    """Return as many characters as fit."""
    while text and sheet.length_px(text, size_px) > width_px:
        text = text[:-1]
    return text


def _wrap(sheet: _Sheet, text: str, size_px: float, width_px: float) -> Sequence[str]:
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and sheet.length_px(joined, size_px) <= width_px:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
