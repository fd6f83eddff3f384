import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.bots import DEFAULT_THRESHOLD, MAX_AGENT_CHARS, ONLY_CERTAIN, WEIGHTS, find_signs, judge, score
from collector.datacentres import load_ranges
from collector.errors import SettingsError
from collector.ids import Audience, BotSign
from collector.wire import Batch, decode_batch

CONTRACT = Path(__file__).parents[1] / "contract"
SAMPLE = json.loads((CONTRACT / "view-with-clicks.json").read_text())
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko)"

BROWSERS = [
    CHROME,
    f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36",
    f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    f"{WINDOWS} Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0",
    f"{WINDOWS} Chrome/138.0.0.0 YaBrowser/25.8.0.0 Safari/537.36",
    f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36 Vivaldi/7.6",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    f"{MAC} Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    f"{IPHONE} Version/26.0 Mobile/15E148 Safari/604.1",
    f"{IPHONE} CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1",
    f"{IPHONE} FxiOS/145.0 Mobile/15E148 Safari/605.1.15",
    f"{IPHONE} GSA/319.0.636361480 Mobile/15E148 Safari/604.1",
    f"{IPHONE} Mobile/15E148 Instagram 338.0.8.36.80 (iPhone14,5; iOS 17_5_1; fi_FI; fi; scale=3.00; 1170x2532)",
    f"{IPHONE} Mobile/15E148 [LinkedInApp]/9.29.9087",
    f"{IPHONE} Mobile/15E148 [Pinterest/iOS]",
    f"{ANDROID} Chrome/142.0.0.0 Mobile Safari/537.36",
    f"{ANDROID} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    f"{ANDROID} Version/4.0 Chrome/126.0.6478.71 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/470.0.0.52.76;]",
    f"{ANDROID} Version/4.0 Chrome/126.0.0.0 Mobile DuckDuckGo/5 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; CUBOT X70 Build/TP1A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
    "Mozilla/5.0 (Linux; Android 9; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/122.3.3 like Chrome/122.0",
    "Opera/9.80 (Android; Opera Mini/36.2.2254/191.249; U; en) Presto/2.12.423 Version/12.16",
]
PROGRAMS = [
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", BotSign.CRAWLER),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", BotSign.CRAWLER),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +openai.com/gptbot)", BotSign.CRAWLER),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0)", BotSign.CRAWLER),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", BotSign.CRAWLER),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", BotSign.CRAWLER | BotSign.TOOL),
    ("curl/8.14.1", BotSign.CRAWLER | BotSign.TOOL),
    ("python-requests/2.32.5", BotSign.CRAWLER | BotSign.TOOL),
    ("Go-http-client/2.0", BotSign.CRAWLER | BotSign.TOOL),
    ("the-owners-own-app/1.0", BotSign.TOOL),
    (CHROME.replace("Chrome/", "HeadlessChrome/"), BotSign.HEADLESS),
    ("", BotSign.NO_AGENT),
    (" ", BotSign.NO_AGENT),
]  # fmt: skip


def _batch(clicks: dict | None = None, **view: object) -> Batch:
    body = json.loads(json.dumps(SAMPLE))
    body["w"] |= view
    body.pop("c", None)
    if clicks is not None:
        body["c"] = clicks
    batch = decode_batch(json.dumps(body).encode())
    assert isinstance(batch, Batch), batch
    return batch


def _clicks(deltas: list[int], xs: list[int] | None = None, kind: int = 0) -> dict:
    n = len(deltas)
    columns = {name: [0] * n for name in ("e", "y", "fx", "fy", "w", "h", "g")}
    return columns | {"t": deltas, "x": xs or [10] * n, "k": [kind] * n, "n": [1] * n}


def _signs(user_agent: str = CHROME, address: str = "192.0.2.7", batch: Batch | None = None) -> BotSign:
    return find_signs(user_agent, address, batch or _batch())


@pytest.mark.parametrize("user_agent", BROWSERS)
def test_an_ordinary_browser_shows_no_sign(user_agent: str):
    """Desktop, phones, tablets and the web views of apps."""
    assert _signs(user_agent) == BotSign.NONE


@pytest.mark.parametrize(("user_agent", "signs"), PROGRAMS)
def test_a_program_is_known_by_its_user_agent(user_agent: str, signs: BotSign):
    """Crawlers, libraries, headless browsers and no user agent at all; each is enough by itself."""
    assert _signs(user_agent) == signs
    assert judge(signs, DEFAULT_THRESHOLD) is Audience.BOTS


@pytest.mark.parametrize("sample", sorted(CONTRACT.glob("*.json")), ids=lambda path: path.stem)
def test_no_sample_of_the_wire_format_shows_a_sign(sample: Path):
    """What a browser really sends is possible."""
    batch = decode_batch(sample.read_bytes())

    if isinstance(batch, Batch):
        assert _signs(batch=batch) == BotSign.NONE


@pytest.mark.parametrize(
    ("marks", "signs"),
    [
        (1, BotSign.WEBDRIVER),
        (2, BotSign.NO_WINDOW),
        (4, BotSign.SCRIPTED),
        (8, BotSign.UNPROMPTED),
        (5, BotSign.WEBDRIVER | BotSign.SCRIPTED),
        (240, BotSign.NONE),
    ],
)
def test_the_marks_of_the_browser_are_signs(marks: int, signs: BotSign):
    """Bits of `w.m`; those that this version does not know are no sign of anything."""
    assert _signs(batch=_batch(m=marks)) == signs


@pytest.mark.parametrize(
    "batch",
    [
        _batch(_clicks([50] * 20)),
        _batch(_clicks([400, 5, 5, 5], [0, 500, 0, 500])),
        _batch(_clicks([500_000_000])),
        _batch(a=1_000, e=7_100),
        _batch(a=500_000_000),
    ],
    ids=["a burst", "leaps", "a click after the sending", "engaged beyond the last act", "active after the sending"],
)
def test_impossible_times_are_a_sign(batch: Batch):
    """Faster than a hand, in two places at once, or in contradiction to each other."""
    assert _signs(batch=batch) == BotSign.IMPOSSIBLE


@pytest.mark.parametrize(
    "clicks",
    [
        _clicks([70] * 30),
        _clicks([30] * 30, kind=3),
        _clicks([400, 60, 60], [0, 20, 0]),
        _clicks([400, 5, 5], [0, 500, 0]),
        _clicks([0] * 19),
        _clicks([]),
    ],
    ids=["14 a second", "a key held down", "a double click", "two leaps", "19 at once", "none"],
)
def test_fast_hands_are_no_sign(clicks: dict):
    """What people and the keys of their keyboards can do."""
    assert _signs(batch=_batch(clicks)) == BotSign.NONE


def test_an_address_of_a_data_centre_is_a_sign(tmp_path: Path):
    """Plain lines and the providers' own JSON; neighbours and overlaps are one range; IPv4 inside IPv6 counts."""
    lines, table = tmp_path / "mine.txt", tmp_path / "ip-ranges.json"
    lines.write_text("# mine\n198.51.100.0/25\n198.51.100.128/25  # the rest\n\n203.0.113.7\n198.51.100.64/26\n")
    table.write_text('{"date": "2026-11-20/17", "prefixes": [{"ip_prefix": "192.0.2.0/24"}, {"x": "2001:db8::/32"}]}')
    ranges = load_ranges(f"{lines}, {table}")

    inside = ["198.51.100.0", "198.51.100.255", "203.0.113.7", "192.0.2.9", "2001:db8:1::1", "::ffff:192.0.2.9"]
    outside = ["198.51.99.255", "198.51.101.0", "203.0.113.8", "2001:db9::", "unix:", ""]
    assert [find_signs(CHROME, address, _batch(), ranges) for address in inside] == [BotSign.DATACENTRE] * len(inside)
    assert [find_signs(CHROME, address, _batch(), ranges) for address in outside] == [BotSign.NONE] * len(outside)


@pytest.mark.parametrize("text", ["198.51.100.0/33\n", "somewhere\n", "# nothing\n", "{}"])
def test_a_file_that_holds_no_ranges_is_refused(tmp_path: Path, text: str):
    """At start, by its name; so is one that is not there."""
    path = tmp_path / "ranges.txt"
    path.write_text(text)

    with pytest.raises(SettingsError, match=r"ranges\.txt"):
        load_ranges(str(path))
    with pytest.raises(SettingsError, match="missing"):
        load_ranges(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (BotSign.NONE, 0),
        (BotSign.NO_WINDOW, 30),
        (BotSign.NO_WINDOW | BotSign.DATACENTRE, 51),
        (BotSign.SCRIPTED | BotSign.UNPROMPTED | BotSign.DATACENTRE, 49),
        (BotSign.HEADLESS | BotSign.WEBDRIVER | BotSign.NO_WINDOW | BotSign.IMPOSSIBLE, 99),
        (BotSign.CRAWLER, 100),
        (BotSign.NO_AGENT | BotSign.SCRIPTED, 100),
        (1 << 20, 0),
    ],
)
def test_signs_add_up_to_a_score(signs: int, expected: int):
    """Each is evidence of its own; what a later version may store weighs nothing in this one."""
    assert score(signs) == expected


def test_other_weights_give_other_scores():
    """A score is an opinion about the signs."""
    assert score(BotSign.WEBDRIVER, {BotSign.WEBDRIVER: 40}) == 40


@given(st.integers(0, sum(BotSign)), st.sampled_from(list(WEIGHTS)))
def test_another_sign_never_lowers_a_score(signs: int, another: BotSign):
    """Scores lie between 0 and 100, and only a certain sign reaches the top."""
    assert 0 <= score(signs) <= score(signs | another) <= 100
    certain = any(weight == 100 and signs & sign for sign, weight in WEIGHTS.items())
    assert (judge(signs, ONLY_CERTAIN) is Audience.BOTS) == certain


def test_every_sign_has_a_weight():
    """A new sign cannot be forgotten."""
    assert set(WEIGHTS) == set(BotSign)


@given(st.text(max_size=2_000))
def test_any_user_agent_is_judged(user_agent: str):
    """Whatever it holds and however long it is; what lies beyond the limit is not looked at."""
    assert find_signs(user_agent, "", _batch()) == find_signs(user_agent[:MAX_AGENT_CHARS], "", _batch())
