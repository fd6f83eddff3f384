"""Who comes to the shop: screens, browsers, addresses and where they were before. Pure; chance is passed in."""

from dataclasses import dataclass

import numpy as np

from collector.ids import Device

_DEVICES = (Device.DESKTOP, Device.PHONE, Device.TABLET)
_DAY_MIX = (0.47, 0.45, 0.08)
_EVENING_MIX = (0.31, 0.57, 0.12)
_EVENING_HOUR = 18

_VIEWPORTS: dict[Device, tuple[tuple[float, int, int], ...]] = {
    Device.DESKTOP: (
        (0.27, 1440, 900),
        (0.30, 1920, 969),
        (0.19, 1536, 730),
        (0.12, 1366, 657),
        (0.07, 1280, 720),
        (0.05, 2560, 1300),
    ),
    Device.PHONE: (
        (0.34, 390, 844),
        (0.17, 393, 720),
        (0.24, 412, 785),
        (0.13, 360, 640),
        (0.05, 375, 553),
        (0.07, 430, 800),
    ),
    Device.TABLET: ((0.5, 820, 1180), (0.3, 768, 954), (0.2, 810, 1010)),
}
"""Share, width, height in CSS px; the first of each is the one that was recorded."""

_IOS = (
    "Mozilla/5.0 ({0}; CPU {1}OS 18_{2} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.{2} Mobile/15E148 Safari/604.1"
)
_CHROME = "Mozilla/5.0 ({0}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{1}.0.0.0 {2}Safari/537.36{3}"
_FIREFOX = "Mozilla/5.0 ({0}; rv:{1}.0) Gecko/{2} Firefox/{1}.0"

_WINDOWS, _LINUX, _MAC = "Windows NT 10.0; Win64; x64", "X11; Linux x86_64", "Macintosh; Intel Mac OS X 10_15_7"

_SOURCES = ("search", "newsletter", "social", "direct")
_SOURCE_MIX = np.array([0.40, 0.08, 0.20, 0.32])
_LETTER_MIX = np.array([0.22, 0.50, 0.12, 0.16])
_REFERRERS = {
    "search": ("www.google.com",) * 7 + ("duckduckgo.com", "www.bing.com", "www.ecosia.org"),
    "newsletter": ("", "", "mail.google.com", "outlook.live.com"),
    "social": ("www.instagram.com", "www.instagram.com", "www.pinterest.com", "l.facebook.com", "www.reddit.com"),
    "direct": ("",),
}
_IPV4_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
"""The documentation networks of RFC 5737: three prefixes, so most visitors come by IPv6 (RFC 3849)."""


@dataclass(frozen=True, slots=True)
class Person:
    """One visitor on one day."""

    device: Device
    viewport: tuple[int, int]
    user_agent: str
    address: str
    source: str
    referrer_host: str
    skew_ms: int
    """How far the clock of the browser is ahead."""
    pace: float
    """Reads this many times slower than the average."""

    @property
    def is_coarse(self) -> bool:
        """The main pointer is a finger."""
        return self.device != Device.DESKTOP


def draw_person(rng: np.random.Generator, hour: int, *, is_letter_day: bool) -> Person:
    """Return somebody who comes at this hour; on the day of a newsletter half come from it."""
    device = _DEVICES[rng.choice(3, p=_EVENING_MIX if hour >= _EVENING_HOUR else _DAY_MIX)]
    viewports = _VIEWPORTS[device]
    _, width, height = viewports[rng.choice(len(viewports), p=[share for share, _, _ in viewports])]
    source = _SOURCES[rng.choice(4, p=_LETTER_MIX if is_letter_day else _SOURCE_MIX)]
    has_wrong_clock = rng.random() < 0.06
    return Person(
        device=device,
        viewport=(width, height),
        user_agent=_draw_user_agent(rng, device),
        address=_draw_address(rng),
        source=source,
        referrer_host=str(rng.choice(_REFERRERS[source])),
        skew_ms=int(rng.normal(0, 400_000)) if has_wrong_clock else int(rng.normal(0, 300)),
        pace=float(rng.lognormal(0, 0.35)),
    )


def _draw_user_agent(rng: np.random.Generator, device: Device) -> str:
    chrome, firefox, minor = int(rng.integers(144, 150)), int(rng.integers(145, 152)), int(rng.integers(2, 7))
    desktop = (
        _CHROME.format(_WINDOWS, chrome, "", ""),
        _CHROME.format(_WINDOWS, chrome, "", f" Edg/{chrome}.0.0.0"),
        _CHROME.format(_MAC, chrome, "", ""),
        _CHROME.format(_LINUX, chrome, "", ""),
        _FIREFOX.format(_WINDOWS, firefox, "20100101"),
        _FIREFOX.format(_LINUX, firefox, "20100101"),
        f"Mozilla/5.0 ({_MAC}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{minor} Safari/605.1.15",
    )
    phone = (
        _IOS.format("iPhone", "iPhone ", minor),
        _IOS.format("iPhone", "iPhone ", minor),
        _CHROME.format("Linux; Android 10; K", chrome, "Mobile ", ""),
        _FIREFOX.format("Android 15; Mobile", firefox, f"{firefox}.0"),
    )
    tablet = (_IOS.format("iPad", "", minor), _CHROME.format("Linux; Android 10; K", chrome, "", ""))
    choices = {Device.DESKTOP: desktop, Device.PHONE: phone, Device.TABLET: tablet}[device]
    return choices[rng.integers(len(choices))]


def _draw_address(rng: np.random.Generator) -> str:
    if rng.random() < 0.12:
        return f"{_IPV4_NETWORKS[rng.integers(3)]}.{rng.integers(1, 255)}"
    return f"2001:db8:{rng.integers(1, 65_536):x}::{rng.integers(1, 65_536):x}"
