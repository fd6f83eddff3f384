"""Random visits as browsers would report them, stored by the real pipeline, and a recount of them in plain Python."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from collector.bots import find_signs, score
from collector.db import Conn
from collector.ids import flush_id, text_id
from collector.rows import Arrival, BatchRows, RowBuilder
from collector.sites import NewSite, Site, add_site
from collector.store import Dictionaries, Flush, ensure_partitions, write_batches
from collector.wire import Batch, decode_batch

ZONE = ZoneInfo("Europe/Helsinki")
START = datetime(2026, 3, 2, 9, tzinfo=ZONE)
FACT_DAY = date(2026, 3, 4)
CREATED = datetime(2026, 3, 1, tzinfo=UTC)
PATHS = ["/", "/shop", "/article"]
STEPS = ["#buy", "#menu", "#intro", "#story", "#end"]
SECTIONS = [2, 3, 4]
WIDTHS = {1440: 1, 390: 3}
SALT = b"s" * 32
WEBDRIVER, SCRIPTED = 1, 4
MARKS = [0, 0, 0, 0, SCRIPTED, WEBDRIVER]
"""What the browser of a view may show from some report on: nothing, a weak mark, or a mark that makes a bot of it."""
MIDDLE, SECONDARY, FLAGS = 4, 8, 16 + 64
KINDS = [0, 0, 1, 3 + FLAGS, MIDDLE, SECONDARY + FLAGS]
"""What a click may be made with; the last two are none by their definition."""


@dataclass(frozen=True)
class Sent:
    """One batch, when it was received, and who sent it."""

    body: dict
    received_ms: int
    user_agent: str

    def key(self) -> str:
        return self.body["b"]


@dataclass
class Recount:
    """What the rollups must hold: figures by row, in the words of the tables."""

    pages: dict[tuple, dict] = field(default_factory=dict)
    sections: dict[tuple, dict] = field(default_factory=dict)
    cells: dict[tuple, Counter] = field(default_factory=dict)


async def add_test_site(conn: Conn, buckets: int = 1) -> Site:
    await ensure_partitions(conn, FACT_DAY, FACT_DAY)
    new = NewSite(name="Test", time_zone="Europe/Helsinki", buckets=buckets)
    return await add_site(conn, new, "rollupTest01", CREATED)


def make_traffic(rng: random.Random, views: int) -> list[Sent]:
    """Return the reports of so many views of a few visitors on two days, each view's in the order of its `seq`."""
    return [sent for number in range(views) for sent in _make_view(rng, number)]


def build_batch_rows(sent: Sent, site: Site) -> BatchRows:
    batch = decode_batch(json.dumps(sent.body).encode())
    assert isinstance(batch, Batch), batch
    signs = find_signs(sent.user_agent, "192.0.2.7", batch)
    arrival = Arrival(sent.received_ms, "192.0.2.7", sent.user_agent, signs, score(signs))
    return RowBuilder(Dictionaries()).build(batch, site, SALT, arrival)


async def store_flush(conn: Conn, site: Site, sent: Iterable[Sent], number: int) -> int:
    """Write one flush of the batches and return how many of them were new."""
    distinct = {each.key(): each for each in sent}.values()
    rows = tuple(build_batch_rows(each, site) for each in distinct)
    return len(await write_batches(conn, Flush(flush_id(number, 0), FACT_DAY, rows), Dictionaries()))


def _make_view(rng: random.Random, number: int) -> list[Sent]:
    started_ms = _ms(START + timedelta(days=rng.randrange(2), minutes=rng.randrange(240)))
    width = rng.choice(list(WIDTHS))
    doc_h, engaged, depth, active = rng.choice([600, 3_000, 4_200]), 0, 500, 0
    clicks_on: Counter[tuple[int, bool]] = Counter()
    sections: dict[int, list[int]] = {}
    visitor, path = rng.randrange(5), rng.choice(PATHS)
    user_agent = f"Mozilla/5.0 (visitor {visitor})"
    consents_at = rng.choice([0, 1, 2, 9, 9, 9])
    marks = 0
    sent = []
    for seq in range(rng.randint(1, 4)):
        marks = marks or rng.choice(MARKS)
        engaged += rng.randrange(60) * 100
        active = max(active, engaged) + rng.randrange(1_000_000)
        depth = min(doc_h, depth + rng.randrange(1_500))
        clicks = _make_clicks(rng, clicks_on)
        changed = _change_sections(rng, sections)
        w = {"i": f"{number + 1:016x}", "s": started_ms, "q": seq, "n": 0, "p": path, "c": 0}
        w |= {"a": active, "e": engaged, "h": [depth, doc_h], "x": rng.choice(SECTIONS)}
        w |= {"m": marks} if marks else {}
        w |= {"u": f"{visitor:032x}"} if seq >= consents_at else {}
        body = {
            "v": 1,
            "b": f"{rng.getrandbits(128):032x}",
            "k": "rollupTest01",
            "t": started_ms + active,
            "w": w,
            "g": [[width, 800, width, doc_h]],
            "d": [[-1, step] for step in STEPS],
            "c": clicks,
            "s": changed,
        }
        sent.append(Sent(body, started_ms + active + rng.randrange(200), user_agent))
    return sent


def _is_primary(kind: int) -> bool:
    return kind >> 2 & 3 == 0


def _make_clicks(rng: random.Random, clicks_on: Counter[tuple[int, bool]]) -> dict:
    columns: dict[str, list[int]] = {name: [] for name in ("t", "e", "x", "y", "fx", "fy", "w", "h", "g", "k", "n")}
    for _ in range(rng.randrange(4)):
        element, kind = rng.randrange(2), rng.choice(KINDS)
        nth = clicks_on[element, _is_primary(kind)] = clicks_on[element, _is_primary(kind)] + 1
        row = {"t": 100, "e": element, "x": 700, "y": 300, "fx": rng.randrange(4) * 60, "fy": 128, "w": 200, "h": 40}
        for name, value in (row | {"g": 0, "k": kind, "n": nth}).items():
            columns[name].append(value)
    return columns


def _change_sections(rng: random.Random, sections: dict[int, list[int]]) -> list[list[int]]:
    changed = rng.sample(SECTIONS, rng.randrange(len(SECTIONS) + 1))
    for index in changed:
        time_ms, flags = sections.setdefault(index, [0, 0])
        sections[index] = [time_ms + rng.randrange(5_000), flags | rng.choice([0, 1, 1, 3])]
    return [[index, *sections[index]] for index in changed]


def recount(sent: Sequence[Sent]) -> Recount:
    """Count everything anew from the raw batches, each batch once, in the plainest way."""
    by_view: defaultdict[str, list[Sent]] = defaultdict(list)
    for each in {one.key(): one for one in sent}.values():
        by_view[each.body["w"]["i"]].append(each)
    views = [_final_view(reports) for reports in by_view.values()]
    pages: defaultdict[tuple, Counter] = defaultdict(Counter)
    result = Recount()
    for view in views:
        _count_view(result, pages, view)
    for visits in _group(views, lambda view: (view["visitor"], view["day"], view["bot"])).values():
        _count_visits(pages, sorted(visits, key=lambda view: (view["start"], view["id"])))
    result.pages |= {key: +figures for key, figures in pages.items()}
    return result


def _final_view(reports: Sequence[Sent]) -> dict:
    last = max(reports, key=lambda each: each.body["w"]["q"]).body
    sections: dict[int, tuple[int, int]] = {}
    for each in reports:
        for index, time_ms, flags in each.body["s"]:
            known = sections.get(index, (0, 0))
            sections[index] = (max(known[0], time_ms), known[1] | flags)
    start = min(each.received_ms - (each.body["t"] - each.body["w"]["s"]) for each in reports)
    clicks = [
        (STEPS[c["e"][i]], c["fx"][i], c["fy"][i], c["n"][i])
        for c in (each.body["c"] for each in reports)
        for i in range(len(c["e"]))
        if _is_primary(c["k"][i])
    ]
    kept = {each.body["w"]["u"] for each in reports if "u" in each.body["w"]}
    return {
        "id": int(last["w"]["i"], 16),
        "visitor": min(kept, default=reports[0].user_agent),
        "page": text_id(last["w"]["p"]),
        "day": datetime.fromtimestamp(start / 1000, ZONE).date(),
        "device": WIDTHS[last["g"][0][0]],
        "bot": int(any(each.body["w"].get("m") == WEBDRIVER for each in reports)),
        "start": start,
        "active": max(each.body["w"]["a"] for each in reports),
        "engaged": max(each.body["w"]["e"] for each in reports),
        "depth": max(each.body["w"]["h"][0] for each in reports),
        "doc_h": last["g"][0][3],
        "exit": text_id(STEPS[last["w"]["x"]]),
        "sections": sections,
        "clicks": clicks,
    }


def _count_view(result: Recount, pages: Mapping[tuple, Counter], view: Mapping) -> None:
    row = (view["page"], view["day"], view["device"], view["bot"])
    for key in (row, (0, *row[1:])):
        pages[key].update({"views": 1, "clicks": len(view["clicks"]), "engaged_ms": view["engaged"]})
        pages[key]["engaged", view["engaged"] // 100] += 1
    pages[row]["fold_sum_px"] += 800
    fits = view["doc_h"] <= 800
    pages[row]["depth_fitting" if fits else "depth", 1000 if fits else _thousandths(view)] += 1
    for index, (time_ms, flags) in view["sections"].items():
        section = result.sections.setdefault((*row, text_id(STEPS[index])), Counter())
        section["time_ms"] += time_ms
        section["seen_views"] += flags & 1
        section["seen_time", time_ms // 100] += flags & 1
        section["end_time", time_ms // 100] += flags == 3
    result.sections.setdefault((*row, view["exit"]), Counter())["exits"] += 1
    for step, x_frac, y_frac, nth in view["clicks"]:
        cells = result.cells.setdefault(row, Counter())
        cells[text_id(step), x_frac, y_frac, "clicks"] += 1
        cells[text_id(step), x_frac, y_frac, "first"] += nth == 1


def _thousandths(view: Mapping) -> int:
    return int(view["depth"] * 1000 / view["doc_h"] + 0.5)


def _count_visits(pages: Mapping[tuple, Counter], visits: Sequence[Mapping]) -> None:
    sessions: list[list[Mapping]] = []
    for view in visits:
        quiet_since = max(
            (each["start"] + each["active"] for each in visits if each["start"] < view["start"]), default=0
        )
        if not sessions or (view["start"] != sessions[-1][-1]["start"] and view["start"] - quiet_since >= 1_800_000):
            sessions.append([])
        sessions[-1].append(view)
    for figure, groups in (("visitors", [visits]), ("sessions", sessions)):
        for group in groups:
            for page in {0, *(view["page"] for view in group)}:
                first = next(view for view in group if page in {0, view["page"]})
                pages[page, first["day"], first["device"], first["bot"]][figure] += 1
    for session in sessions:
        entry = session[0]
        bounced = len(session) == 1 and entry["engaged"] < 10_000 and not entry["clicks"]
        for page in (0, entry["page"]):
            pages[page, entry["day"], entry["device"], entry["bot"]].update({"entries": 1, "bounces": int(bounced)})


def _group(items: Iterable[dict], key) -> dict:
    groups: defaultdict[tuple, list[dict]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
