"""What reports say: the values that the HTTP API encodes and the pages show.

Pure. Every share carries its sample and its interval; what cannot be said is None, never 0.
"""

from datetime import date, timedelta

import msgspec

from collector.ids import Device
from heatmap.spans import Bots, Span
from heatmap.stats import wilson_interval


class ReportQuery(msgspec.Struct, frozen=True):
    """The local days asked for, both ends included, the device class, and what becomes of bots."""

    first_day: date
    last_day: date
    device: Device = Device.ALL
    bots: Bots = Bots.EXCLUDE

    @property
    def span(self) -> Span:
        """What to ask of the rollups."""
        return Span(self.first_day, self.last_day, self.device, self.bots)

    def before(self) -> "ReportQuery":
        """Return the same question about the period of equal length that ends the day before."""
        length = self.last_day - self.first_day
        last_day = self.first_day - timedelta(days=1)
        return ReportQuery(last_day - length, last_day, self.device, self.bots)


class AudienceFigures(msgspec.Struct, frozen=True):
    """Whose views the figures count (`bots`), and how many there are of people and of bots, whichever are counted."""

    bots: Bots
    people_views: int
    bot_views: int


class Share(msgspec.Struct, frozen=True):
    """`count` of `n`, with its 95 % Wilson interval; without a sample there is no value."""

    count: int
    n: int
    value: float | None
    low: float | None
    high: float | None


class PageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one page or, with an empty path, of a whole site; `bounces` is of the sessions that began here."""

    path: str
    title: str
    views: int
    visitors: int
    sessions: int
    bounces: Share
    clicks: int
    engaged_total_ms: int
    engaged_median_ms: int | None
    engaged_p75_ms: int | None
    depth_median: float | None


class DayFigures(msgspec.Struct, frozen=True):
    """One local day."""

    day: date
    views: int
    visitors: int
    clicks: int


class DeviceFigures(msgspec.Struct, frozen=True):
    """One device class."""

    device: Device
    views: int
    visitors: int


class SiteReport(msgspec.Struct, frozen=True, kw_only=True):
    """A site over a range; `pages` are those with the most engaged time first, at most
    `reports.MAX_PAGES` of `pages_total`."""

    first_day: date
    last_day: date
    audience: AudienceFigures
    totals: PageFigures
    previous: PageFigures
    days: list[DayFigures]
    devices: list[DeviceFigures]
    pages: list[PageFigures]
    pages_total: int


class ReachCurve(msgspec.Struct, frozen=True):
    """Shares of `n` views that reached at least k % of the page, k = 0..100; `_scrolling` leaves out pages that fit."""

    n: int
    shares: list[float]
    n_scrolling: int
    shares_scrolling: list[float]


class SectionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One section; `is_placed` tells whether any layout shows it, else its title is empty and it stands at the end."""

    key: str
    title: str
    is_placed: bool
    top_px: int
    height_px: int
    words: int
    images: int
    reach: Share
    time_ms: int
    attention_share: float | None
    expected_ms: int | None
    median_time_ms: int | None
    interest_index: float | None
    interest_low: float | None
    interest_high: float | None
    read_through: Share
    exits: Share


class PageReport(msgspec.Struct, frozen=True, kw_only=True):
    """A page over a range; `engaged_histogram` is (upper bound in ms, views above the bound before and up to it)."""

    first_day: date
    last_day: date
    device: Device
    audience: AudienceFigures
    figures: PageFigures
    previous: PageFigures
    days: list[DayFigures]
    devices: list[DeviceFigures]
    reach: ReachCurve
    fold_px: int | None
    fold_frac: float | None
    engaged_histogram: list[tuple[int, int]]
    sections: list[SectionFigures]
    layout_device: Device | None
    layout_width: int | None
    layout_height: int | None


def build_share(count: int, n: int) -> Share:
    """Return a share with its interval; without a sample it has no value.

    Whoever reports more than was there to count (a hostile client that claims a first click twice) widens `n`.
    """
    count, n = max(0, count), max(n, count)
    if n <= 0:
        return Share(0, 0, None, None, None)
    low, high = wilson_interval(count, n)
    return Share(count, n, count / n, low, high)
