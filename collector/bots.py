"""How likely it is that a program sent a batch: the signs of it, and what they weigh together. Pure.

Signs are evidence and are stored with the report; the score is an opinion about them, which may change later. The user
agent and the address are looked at here and kept nowhere: a rare agent would link two days of one person.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from crawleruseragents import is_crawler  # type: ignore[import-untyped]  # no types in the package
from msgspec import UNSET

from collector.datacentres import NO_RANGES, AddressRanges
from collector.ids import POINTER_MASK, Audience, BotSign, ClickKind
from collector.wire import Batch, Clicks

WEIGHTS: Mapping[BotSign, int] = MappingProxyType(
    {
        BotSign.CRAWLER: 100,  # it says so itself
        BotSign.NO_AGENT: 100,  # no browser leaves it out
        BotSign.TOOL: 60,  # an app's own web view may call itself anything
        BotSign.HEADLESS: 90,
        BotSign.WEBDRIVER: 90,
        BotSign.NO_WINDOW: 30,
        BotSign.SCRIPTED: 10,  # pages click on their own elements, too
        BotSign.UNPROMPTED: 20,  # so do screen readers and voice control
        BotSign.IMPOSSIBLE: 60,
        BotSign.DATACENTRE: 30,  # people come through VPNs and company proxies
    }
)
"""How far each sign alone makes a program of the sender, in per cent; 100: it is one for certain."""

DEFAULT_THRESHOLD = 50
"""Score from which a view counts as a bot's: more likely a program than not."""
ONLY_CERTAIN = 100
"""A threshold that only what calls itself a program reaches, however many other signs there are."""

MAX_AGENT_CHARS = 512
"""Characters of a user agent that are looked at; real ones have up to 350. The list's 1,504 patterns take at most
1.2 ms for this many, whatever they are: each is a literal or a short class."""
_CACHED_AGENTS = 4_096
_MARKS = 15
_MARKS_SHIFT = 4
_HEADLESS = ("headless", "phantomjs", "jsdom")
_BROWSERS = ("Mozilla/", "Opera/")  # the second: Opera Mini, still

_MOMENTUM_MS = 6_000
"""Engaged time goes on for 5 s after the last act; one more for rounding."""
_SLACK_MS = 1_000
_BURST_CLICKS = 20
_BURST_MS = 1_000
"""So many clicks in so little time are no hand's: the record is about 16 a second."""
_LEAP_MS = 8
_LEAP_PX = 200
_MAX_LEAPS = 2
"""A pointer moves once a frame, and a frame of a fast screen takes 8 ms: clicks nearer in time and far apart in place
are made by no hand; twice is forgiven."""


def find_signs(user_agent: str, address: str, batch: Batch, ranges: AddressRanges = NO_RANGES) -> BotSign:
    """Return what speaks for a program; `ranges` are those of data centres."""
    signs = _judge_agent(user_agent[:MAX_AGENT_CHARS]) | (batch.view.marks & _MARKS) << _MARKS_SHIFT
    if _is_impossible(batch):
        signs |= _IMPOSSIBLE
    if ranges and address in ranges:
        signs |= _DATACENTRE
    return BotSign(signs) if signs else BotSign.NONE


def score(signs: int, weights: Mapping[BotSign, int] = WEIGHTS) -> int:
    """Return how sure the signs make it, 0 to 100, each taken as evidence of its own: 1 − Π(1 − weight).

    Only a sign of weight 100 reaches 100. Bits that this version does not know weigh nothing.
    """
    if not signs:
        return 0
    doubt, scale = 100, 1
    for sign, weight in weights.items():
        if signs & sign:
            doubt, scale = doubt * (100 - weight), scale * 100
    return 100 - -(-doubt // scale)


def judge(signs: int, threshold: int) -> Audience:
    """Return whose view it is."""
    return Audience.BOTS if score(signs) >= threshold else Audience.PEOPLE


_IMPOSSIBLE = int(BotSign.IMPOSSIBLE)
_DATACENTRE = int(BotSign.DATACENTRE)


@lru_cache(_CACHED_AGENTS)
def _judge_agent(agent: str) -> int:
    if not agent.strip():
        return int(BotSign.NO_AGENT)
    signs = BotSign.NONE
    if any(mark in agent.lower() for mark in _HEADLESS):
        signs |= BotSign.HEADLESS
        agent = agent.replace("HeadlessChrome", "Chrome")  # on the list, but a browser and no crawler
    if is_crawler(agent):
        signs |= BotSign.CRAWLER
    if not agent.startswith(_BROWSERS):
        signs |= BotSign.TOOL
    return int(signs)


def _is_impossible(batch: Batch) -> bool:
    view = batch.view
    elapsed_ms = batch.sent_ms - view.started_ms
    if view.engaged_ms > view.active_ms + _MOMENTUM_MS or view.active_ms > elapsed_ms + _SLACK_MS:
        return True
    clicks = batch.clicks
    if clicks is UNSET or not clicks.delta_ms:
        return False
    if sum(clicks.delta_ms) > elapsed_ms + _SLACK_MS:
        return True
    # Most batches end here: their clicks are further apart.
    return min(clicks.delta_ms[1:], default=_BURST_MS) * (_BURST_CLICKS - 1) < _BURST_MS and _is_too_fast(clicks)


def _is_too_fast(clicks: Clicks) -> bool:
    """Return whether a pointer's clicks come in a burst or leap; keys repeat by themselves and are left out."""
    at_ms, leaps = 0, 0
    times: list[int] = []
    last: tuple[int, int, int] | None = None
    for delta, x, y, kind in zip(clicks.delta_ms, clicks.x_px, clicks.y_px, clicks.kinds, strict=True):
        at_ms += delta
        if kind & POINTER_MASK == ClickKind.KEYBOARD:
            continue
        if last is not None and at_ms - last[0] < _LEAP_MS and max(abs(x - last[1]), abs(y - last[2])) > _LEAP_PX:
            leaps += 1
        last = (at_ms, x, y)
        times.append(at_ms)
    bursts = zip(times, times[_BURST_CLICKS - 1 :], strict=False)
    return leaps > _MAX_LEAPS or any(end - start < _BURST_MS for start, end in bursts)
