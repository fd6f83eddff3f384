"""How numbers, days and times are written on the page: the template filters, pure functions of their value."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from collector.ids import Device, text_id

FEW_VIEWS = 30
"""Below this sample a figure is greyed and says so (DEFINITIONS, honest numbers)."""
NOTHING = "–"
_THIN = "\u202f"
_DEVICE_TITLES = {Device.ALL: "All devices", Device.DESKTOP: "Desktop", Device.TABLET: "Tablet", Device.PHONE: "Phone"}


class ShareLike(Protocol):
    """A count out of n with its 95 % interval, as reports and heatmaps both have it."""

    @property
    def count(self) -> int:
        """How many."""

    @property
    def n(self) -> int:
        """Out of how many."""

    @property
    def value(self) -> float | None:
        """The share, None where n is 0."""

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""


@dataclass(frozen=True, slots=True)
class Change:
    """A figure against the period before; `tone` is up, down or flat, `text` empty where nothing can be said."""

    text: str
    tone: str


def count(value: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return NOTHING if value is None else f"{value:,}"


def two_digits(value: float) -> str:
    """Return a number rounded to two significant digits, its thousands apart, never as a power of ten."""
    return f"{Decimal(f'{value:.2g}'):,f}"


def compact(value: int) -> str:
    """Return a whole number in at most five characters: 1.2k, 34k, 5.6M."""
    for size, suffix in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            short = value / size
            return f"{short:.0f}{suffix}" if short >= 100 or short == int(short) else f"{short:.1f}{suffix}"
    return str(value)


def duration(value_ms: float | None) -> str:
    """Return a time a person can read: 0.4 s, 12 s, 1 m 24 s, 2 h 05 m."""
    if value_ms is None:
        return NOTHING
    if value_ms < 9_950:
        return f"{value_ms / 1000:.1f}{_THIN}s" if value_ms else f"0{_THIN}s"
    seconds = round(value_ms / 1000)
    if seconds < 60:
        return f"{seconds}{_THIN}s"
    if seconds < 3600:
        return f"{seconds // 60}{_THIN}m {seconds % 60:02d}{_THIN}s"
    return f"{seconds // 3600:,}{_THIN}h {seconds % 3600 // 60:02d}{_THIN}m"


def percent(value: float | None) -> str:
    """Return a fraction as per cent, one decimal below ten."""
    if value is None:
        return NOTHING
    number = value * 100
    if 0 < number < 0.05:
        return f"<0.1{_THIN}%"
    digits = 1 if 0 < number < 9.95 else 0
    return f"{number:.{digits}f}{_THIN}%"


def interval(share: ShareLike) -> str:
    """Return a share's 95 % interval: 6.0–11 %."""
    if share.value is None or share.low is None or share.high is None:
        return NOTHING
    return f"{percent(share.low).removesuffix(f'{_THIN}%')}–{percent(share.high)}"


def times(value: float | None) -> str:
    """Return an interest index: 1.8×."""
    return NOTHING if value is None else f"{value:.1f}×"


def change(now: float | None, before: float | None) -> Change:
    """Return how `now` stands against `before`, as rounded per cent."""
    if not before or now is None:
        return Change("", "flat")
    rate = round((now - before) / before * 100)
    if rate == 0:
        return Change("±0" + _THIN + "%", "flat")
    return Change(f"{'+' if rate > 0 else '−'}{abs(rate):,}{_THIN}%", "up" if rate > 0 else "down")


def points(now: float | None, before: float | None) -> Change:
    """Return the difference of two shares in percentage points."""
    if now is None or before is None:
        return Change("", "flat")
    difference = round((now - before) * 100, 1)
    if not difference:
        return Change(f"±0{_THIN}pts", "flat")
    return Change(f"{'+' if difference > 0 else '−'}{abs(difference):g}{_THIN}pts", "up" if difference > 0 else "down")


def is_few(n: int) -> bool:
    """Return whether a sample is too small to lean on."""
    return n < FEW_VIEWS


def day(value: date) -> str:
    """Return a day as on a chart's axis: 4 Nov."""
    return f"{value.day} {value:%b}"


def long_day(value: date) -> str:
    """Return a day in full: Wed 4 Nov 2026."""
    return f"{value:%a} {value.day} {value:%b %Y}"


def span(first_day: date, last_day: date) -> str:
    """Return a range as a person writes it: 4–22 Nov 2026."""
    if first_day == last_day:
        return f"{day(last_day)} {last_day.year}"
    if (first_day.year, first_day.month) == (last_day.year, last_day.month):
        return f"{first_day.day}–{day(last_day)} {last_day.year}"
    start = day(first_day) if first_day.year == last_day.year else f"{day(first_day)} {first_day.year}"
    return f"{start} – {day(last_day)} {last_day.year}"


def ago(then: datetime, now: datetime) -> str:
    """Return how long ago something happened: just now, 5 minutes ago, 3 days ago."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def device_title(device: int) -> str:
    """Return the name of a device class as headings write it."""
    return _DEVICE_TITLES[Device(device)]


def anchor(key: str) -> str:
    """Return a short name for a section's row, fit for an address's fragment."""
    return f"{text_id(key) & 0xFFFFFFFF:08x}"
