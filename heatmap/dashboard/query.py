"""What a URL asks for, as typed values: every parameter of the pages and the API is parsed here and nowhere else.

Pure: it knows neither the request nor the database. Each refusal names the parameter and what it may be.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from collector.errors import InvalidError
from collector.ids import Device
from heatmap.images import MIN_PICTURE_W_PX
from heatmap.layout import MAX_PICTURE_W_PX
from heatmap.spans import Bots

DEFAULT_DAYS = 7
"""Days of a range that the URL does not name: a whole week, to be compared with the week before."""
MAX_DAYS = 366
"""Longest range in days: one leap year."""
EARLIEST_DAY = date(2000, 1, 1)
"""No site was recorded before; it also keeps `day - range` inside the calendar."""
KINDS = ("click", "scroll")
SCALES = (1, 2, 4)
PARTS = ("sections", "page", "reach")
"""What a sheet of an engagement report may hold."""
BACKDROPS = ("none", "wireframe")
DEVICES = {"all": Device.ALL, "desktop": Device.DESKTOP, "tablet": Device.TABLET, "phone": Device.PHONE}
MAX_PATH_CHARS = 1024
"""The wire format's limit of a path."""
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person or program asked to see; `page` is None where the URL names none."""

    page: str | None
    kind: str
    device: Device
    first_day: date
    last_day: date
    bots: Bots = Bots.EXCLUDE


@dataclass(frozen=True, slots=True)
class Picture:
    """How a heatmap is to be drawn; `width_px` None: as wide as the reference layout."""

    width_px: int | None
    scale: int
    backdrop: str


def parse_selection(params: Mapping[str, str], today: date) -> Selection:
    """Return the selection that `params` ask for; `today` is the site's local date."""
    first_day, last_day = parse_days(params, today)
    return Selection(
        page=parse_page(params),
        kind=_parse_choice(params, "kind", KINDS, "click"),
        device=DEVICES[_parse_choice(params, "device", tuple(DEVICES), "all")],
        first_day=first_day,
        last_day=last_day,
        bots=Bots(_parse_choice(params, "bots", tuple(Bots), Bots.EXCLUDE)),
    )


def parse_picture(params: Mapping[str, str]) -> Picture:
    """Return how the picture is to be drawn: quarter scale without a backdrop unless `params` say otherwise."""
    return Picture(
        width_px=_parse_width(params),
        scale=int(_parse_choice(params, "scale", tuple(str(scale) for scale in SCALES), "4")),
        backdrop=_parse_choice(params, "backdrop", BACKDROPS, "none"),
    )


def parse_part(params: Mapping[str, str]) -> str:
    """Return which of `PARTS` a sheet is to hold: the sections unless `params` say otherwise."""
    return _parse_choice(params, "part", PARTS, "sections")


def parse_days(params: Mapping[str, str], today: date) -> tuple[date, date]:
    """Return the first and last day of the range, both inside it.

    Raises:
        InvalidError: a date is unreadable, in the future, before 2000, or the range is reversed or too long.
    """
    last_day = _parse_day(params, "to") or today
    first_day = _parse_day(params, "from") or last_day - timedelta(days=DEFAULT_DAYS - 1)
    if first_day > last_day:
        hint = f"Swap them, or leave one out: from={last_day}&to={first_day}"
        raise InvalidError(f"'from' ({first_day}) is after 'to' ({last_day})", hint)
    # A visitor of the dashboard may live a day ahead of the site.
    if last_day > today + timedelta(days=1):
        raise InvalidError(
            f"'to' is {last_day}, which has not begun: today is {today} at the site", "Choose an earlier day."
        )
    if (last_day - first_day).days >= MAX_DAYS:
        raise InvalidError(
            f"The range {first_day} to {last_day} is longer than {MAX_DAYS} days", "Choose a shorter range."
        )
    return first_day, last_day


def parse_page(params: Mapping[str, str]) -> str | None:
    """Return the page's path, or None where `params` name none."""
    page = params.get("page", "")
    if not page:
        return None
    if not page.startswith("/"):
        raise InvalidError("'page' must be a path that begins with '/'", "Example: page=/product/teapot")
    if len(page) > MAX_PATH_CHARS:
        wrong = f"'page' is too long: {len(page):,} characters, a path has at most {MAX_PATH_CHARS:,}"
        raise InvalidError(wrong, "Name the page as the list of pages does, without query and fragment.")
    if "\x00" in page:
        raise InvalidError("'page' holds a NUL character, which no path can have", "Leave out %00.")
    return page


def require_page(selection: Selection) -> str:
    """Return the selection's page.

    Raises:
        InvalidError: the request names no page.
    """
    if selection.page is None:
        raise InvalidError("'page' is missing", "Name the page by its path, for example page=/product/teapot")
    return selection.page


def parse_site_id(text: str) -> int:
    """Return the numeric site id in an address, or -1, which is no site's."""
    return int(text) if _WHOLE.fullmatch(text) else -1


def refuse_unknown(params: Collection[str], known: Collection[str]) -> None:
    """Refuse a misspelt or doubled parameter, which would otherwise be answered with figures of something else.

    Raises:
        InvalidError: names the parameter and the known ones.
    """
    hint = "Known parameters: " + ", ".join(sorted(known)) if known else "This route has no parameters."
    seen = set()
    for name in params:
        if name not in known:
            raise InvalidError(f"'{name[:40]}' is not a parameter here", hint)
        if name in seen:
            raise InvalidError(f"'{name}' is given more than once", "Give each parameter once.")
        seen.add(name)


def _parse_choice(params: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = params.get(name) or default
    if value not in allowed:
        wrong = f"'{name}' is {value[:40]!r}; it must be one of: {', '.join(allowed)}"
        raise InvalidError(wrong, f"Example: {name}={default}")
    return value


def _parse_day(params: Mapping[str, str], name: str) -> date | None:
    text = params.get(name, "")
    if not text:
        return None
    if not _ISO_DAY.fullmatch(text):
        raise InvalidError(f"'{name}' is {text[:40]!r}; write a date as YYYY-MM-DD", "Example: 2026-11-22")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        wrong = f"'{name}' is {text}, which is no day of the calendar"
        raise InvalidError(wrong, "Count the days of that month.") from error
    if day < EARLIEST_DAY:
        raise InvalidError(f"'{name}' is {text}; the earliest day is {EARLIEST_DAY}", "Choose a later day.")
    return day


def _parse_width(params: Mapping[str, str]) -> int | None:
    text = params.get("width", "")
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or not MIN_PICTURE_W_PX <= int(text) <= MAX_PICTURE_W_PX:
        raise InvalidError(
            f"'width' is {text[:40]!r}; it must be {MIN_PICTURE_W_PX} to {MAX_PICTURE_W_PX} CSS px, a whole number",
            "Leave it out for the width of the layout.",
        )
    return int(text)
