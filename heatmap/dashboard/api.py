"""The HTTP API: heatmaps and reports of a site as pictures, JSON and CSV."""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import msgspec
from aiohttp import web

from collector.errors import NotFoundError
from collector.ids import Device
from collector.sites import load_first_event_at
from heatmap.dashboard.csv_sheet import encode_sheet
from heatmap.dashboard.desk import Desk
from heatmap.dashboard.gate import Handler
from heatmap.dashboard.place import mark_file
from heatmap.dashboard.query import (
    Picture,
    Selection,
    parse_part,
    parse_picture,
    parse_selection,
    refuse_unknown,
    require_page,
)
from heatmap.images import Heatmap, HeatmapQuery, draw_backdrop, draw_heatmap, load_heatmap
from heatmap.reports import PageReport, ReportQuery, load_page_report

_REPORT_PARAMETERS = frozenset({"page", "device", "from", "to", "bots"})
_SHEET_PARAMETERS = _REPORT_PARAMETERS | {"part"}
_PICTURE_PARAMETERS = _REPORT_PARAMETERS | {"kind", "width", "scale", "backdrop", "v"}
"""`v` makes a changed picture another address; its value has no meaning here."""
_SETTLED_AGE_S = 300
"""How long a browser may keep figures of days that are over: late reports still correct them a little."""


class Status(msgspec.Struct, frozen=True):
    """Whether a site's snippet has been heard of."""

    is_receiving: bool
    first_event_at: datetime | None


async def answer_status(desk: Desk, request: web.Request) -> web.Response:
    """Answer whether the site's first event has been stored."""
    _refuse_unknown(request, ())
    site = await desk.load_site(request)
    async with desk.pool.acquire() as conn:
        first_event_at = await load_first_event_at(conn, site)
    return _json(msgspec.json.encode(Status(first_event_at is not None, first_event_at)))


async def answer_heatmap_json(desk: Desk, request: web.Request) -> web.Response:
    """Answer the numbers behind a heatmap."""
    heatmap, selection, _, today_is_in = await _load_picture(desk, request)
    del selection
    return _tagged(request, msgspec.json.encode(heatmap), "application/json", is_live=today_is_in)


async def answer_heatmap_png(desk: Desk, request: web.Request) -> web.Response:
    """Answer a heatmap as PNG; not drawn again for a browser that has it."""
    return await _answer_picture(desk, request, draw_heatmap)


async def answer_backdrop_png(desk: Desk, request: web.Request) -> web.Response:
    """Answer the wireframe that lies under a heatmap as PNG."""
    return await _answer_picture(desk, request, draw_backdrop)


async def answer_engagement_json(desk: Desk, request: web.Request) -> web.Response:
    """Answer a page's engagement report."""
    report, is_live = await _load_report(desk, request)
    return _tagged(request, encode_report(report), "application/json", is_live=is_live)


async def answer_engagement_csv(desk: Desk, request: web.Request) -> web.Response:
    """Answer a part of a page's report as CSV, as a file to keep."""
    report, is_live = await _load_report(desk, request, _SHEET_PARAMETERS)
    part = parse_part(request.query)
    answer = _tagged(request, encode_sheet(report, part), "text/csv", is_live=is_live)
    name = "engagement.csv" if part == "sections" else f"engagement-{part}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{mark_file(name, report.audience.bots)}"'
    return answer


def encode_report(report: PageReport) -> bytes:
    """Return a report as JSON; it names device classes as questions do, where msgspec would write their numbers."""
    layout = report.layout_device
    named = {
        "device": _device_name(report.device),
        "devices": [msgspec.structs.asdict(item) | {"device": _device_name(item.device)} for item in report.devices],
        "layout_device": None if layout is None else _device_name(layout),
    }
    return msgspec.json.encode(msgspec.structs.asdict(report) | named)


async def refuse_unknown_route(_desk: Desk, request: web.Request) -> web.Response:
    """Refuse what is no route of the API.

    Raises:
        NotFoundError: always.
    """
    routes = ", ".join(f"{SITE_ROUTE}/{name}" for name in ROUTES)
    raise NotFoundError(f"{request.path[:200]} is not a route of this API", f"Routes: {routes}")


SITE_ROUTE = "/api/v1/sites/{site}"
ROUTES: Mapping[str, Handler] = {
    "heatmap.png": answer_heatmap_png,
    "heatmap.json": answer_heatmap_json,
    "backdrop.png": answer_backdrop_png,
    "engagement.json": answer_engagement_json,
    "engagement.csv": answer_engagement_csv,
    "status": answer_status,
}
"""What lies under `SITE_ROUTE`, all of it read with GET."""


def _refuse_unknown(request: web.Request, known: Collection[str]) -> None:
    # Not keys(), which names a doubled parameter once.
    refuse_unknown([name for name, _ in request.query.items()], known)


async def _load_picture(desk: Desk, request: web.Request) -> tuple[Heatmap, Selection, Picture, bool]:
    _refuse_unknown(request, _PICTURE_PARAMETERS)
    site = await desk.load_site(request)
    today = desk.today(site)
    selection, picture = parse_selection(request.query, today), parse_picture(request.query)
    query = build_heatmap_query(selection, picture)
    async with desk.pool.acquire() as conn:
        heatmap = await load_heatmap(conn, site, query)
    return heatmap, selection, picture, selection.last_day >= today


def build_heatmap_query(selection: Selection, picture: Picture) -> HeatmapQuery:
    """Return the recipe's question for a selection and the way to draw it."""
    return HeatmapQuery(
        page=require_page(selection),
        kind=selection.kind,
        device=selection.device,
        first_day=selection.first_day,
        last_day=selection.last_day,
        width=picture.width_px,
        scale=picture.scale,
        backdrop=picture.backdrop,
        bots=selection.bots,
    )


def build_report_query(selection: Selection) -> ReportQuery:
    """Return the reports' question for a selection."""
    return ReportQuery(selection.first_day, selection.last_day, selection.device, selection.bots)


async def _answer_picture(desk: Desk, request: web.Request, draw: Callable[[Heatmap], bytes]) -> web.Response:
    heatmap, _, picture, is_live = await _load_picture(desk, request)
    tag = _digest(msgspec.json.encode(heatmap) + repr(picture).encode() + draw.__name__.encode())
    if _has_tag(request, tag):
        return _not_modified(tag)
    async with desk.drawings:
        body = await asyncio.to_thread(draw, heatmap)
    return _cached(web.Response(body=body, content_type="image/png"), tag, is_live=is_live)


async def _load_report(
    desk: Desk, request: web.Request, known: Collection[str] = _REPORT_PARAMETERS
) -> tuple[PageReport, bool]:
    _refuse_unknown(request, known)
    site = await desk.load_site(request)
    today = desk.today(site)
    chosen = parse_selection(request.query, today)
    query = build_report_query(chosen)
    async with desk.pool.acquire() as conn:
        report = await load_page_report(conn, site, require_page(chosen), query)
    return report, chosen.last_day >= today


def _device_name(device: Device) -> str:
    return device.name.lower()


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _tagged(request: web.Request, body: bytes, content_type: str, *, is_live: bool) -> web.Response:
    tag = _digest(body)
    if _has_tag(request, tag):
        return _not_modified(tag)
    return _cached(
        web.Response(body=body, content_type=content_type, charset=_charset(content_type)), tag, is_live=is_live
    )


def _charset(content_type: str) -> str | None:
    return "utf-8" if content_type.startswith("text/") else None


def _cached(answer: web.Response, tag: str, *, is_live: bool) -> web.Response:
    answer.etag = tag
    answer.headers["Cache-Control"] = "private, no-cache" if is_live else f"private, max-age={_SETTLED_AGE_S}"
    return answer


def _not_modified(tag: str) -> web.Response:
    return web.Response(status=304, headers={"ETag": f'"{tag}"'})


def _has_tag(request: web.Request, tag: str) -> bool:
    return any(item.value == tag for item in request.if_none_match or ())


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:24]
