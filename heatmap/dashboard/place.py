"""Where a person is: knows the address of every neighbouring view, so that all state lives in the URL."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlencode

from collector.ids import Device
from heatmap.dashboard.query import DEFAULT_DAYS, DEVICES, Selection
from heatmap.spans import Bots

PRESETS = ((1, "Today"), (7, "7 days"), (28, "28 days"), (90, "90 days"))
_FILE_MARKS = {Bots.EXCLUDE: "", Bots.INCLUDE: "-with-bots", Bots.ONLY: "-bots-only"}
_DEVICE_NAMES = {device: name for name, device in DEVICES.items()}


def mark_file(name: str, bots: Bots) -> str:
    """Return the name of a file that is kept, which says where it is not about people alone."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}{_FILE_MARKS[bots]}.{suffix}"


@dataclass(frozen=True, slots=True)
class Preset:
    """A range that one press chooses."""

    label: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A screen of one site with its selection; `screen` is '', 'heatmap' or 'engagement'."""

    site_id: int
    screen: str
    selection: Selection
    today: date

    @property
    def device_name(self) -> str:
        """The device as the URL writes it."""
        return _DEVICE_NAMES[self.selection.device]

    @property
    def is_live(self) -> bool:
        """Whether the range includes today, so that its figures still grow."""
        return self.selection.last_day >= self.today

    @property
    def days(self) -> int:
        """The number of days in the range."""
        return (self.selection.last_day - self.selection.first_day).days + 1

    def href(self, screen: str | None = None) -> str:
        """Return the address of this selection on `screen` (default: this one)."""
        name = self.screen if screen is None else screen
        path = f"/sites/{self.site_id}" + (f"/{name}" if name else "")
        query = urlencode(self._params(path_too=bool(name)))
        return f"{path}?{query}" if query else path

    def to_page(self, page: str, screen: str | None = None) -> str:
        """Return the address of the same question about another page."""
        return replace(self, selection=replace(self.selection, page=page)).href(screen)

    def to_kind(self, kind: str) -> str:
        """Return the address of the other map of the same page."""
        return replace(self, selection=replace(self.selection, kind=kind)).href()

    def to_device(self, device: str) -> str:
        """Return the address of the same question about another device."""
        return replace(self, selection=replace(self.selection, device=DEVICES[device])).href()

    def to_days(self, days: int) -> str:
        """Return the address of the same question about the last `days` days."""
        first_day = self.today - timedelta(days=days - 1)
        return replace(self, selection=replace(self.selection, first_day=first_day, last_day=self.today)).href()

    def to_bots(self, bots: str) -> str:
        """Return the address of the same question with another choice about bots."""
        return replace(self, selection=replace(self.selection, bots=Bots(bots))).href()

    def file_name(self, name: str) -> str:
        """Return what to call a file of this selection."""
        return mark_file(name, self.selection.bots)

    def presets(self) -> list[Preset]:
        """Return the ranges offered, the current one marked."""
        ends_today = self.selection.last_day == self.today
        return [Preset(label, self.to_days(days), ends_today and self.days == days) for days, label in PRESETS]

    def api(self, name: str, **more: str | int) -> str:
        """Return the address of the API route `name` for this selection, with `more` parameters."""
        params = self._params(path_too=True, whole=True) | {key: str(value) for key, value in more.items()}
        if name.startswith(("engagement", "site")):
            params.pop("kind", None)
        return f"/api/v1/sites/{self.site_id}/{name}?{urlencode(params)}"

    def _params(self, *, path_too: bool, whole: bool = False) -> dict[str, str]:
        chosen = self.selection
        params: dict[str, str] = {}
        if path_too and chosen.page is not None:
            params["page"] = chosen.page
        if chosen.kind != "click" or whole:
            params["kind"] = chosen.kind
        if chosen.device is not Device.ALL or whole:
            params["device"] = self.device_name
        if chosen.bots is not Bots.EXCLUDE or whole:
            params["bots"] = chosen.bots
        if whole or chosen.last_day != self.today or self.days != DEFAULT_DAYS:
            params |= {"from": chosen.first_day.isoformat(), "to": chosen.last_day.isoformat()}
        return params
