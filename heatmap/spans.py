"""What is asked of rollups: which days, which devices, whose views. Pure."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from collector.ids import Audience, Device


class Bots(StrEnum):
    """What becomes of the views by bots in a figure."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"

    @property
    def audiences(self) -> list[Audience]:
        """Whose views are counted."""
        return _AUDIENCES[self]


_AUDIENCES = {
    Bots.EXCLUDE: [Audience.PEOPLE],
    Bots.INCLUDE: [Audience.PEOPLE, Audience.BOTS],
    Bots.ONLY: [Audience.BOTS],
}


@dataclass(frozen=True, slots=True)
class Span:
    """Local days, both ends included, of one device class or of all, with or without bots."""

    first_day: date
    last_day: date
    device: Device = Device.ALL
    bots: Bots = Bots.EXCLUDE
