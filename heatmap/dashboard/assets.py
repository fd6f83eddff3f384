"""The dashboard's own files, and the answer to addresses that nothing lies behind."""

from aiohttp import web

from collector.errors import NotFoundError
from heatmap.dashboard.desk import Desk, StaticFile


async def answer_static(desk: Desk, request: web.Request) -> web.Response:
    """Answer a stylesheet, script or icon; 304 to a browser that has it."""
    found = desk.static.get(request.match_info["name"])
    if found is None:
        raise NotFoundError("There is no such file", "Reload the page: a new version may have been installed.")
    return _send(request, found)


async def answer_icon(desk: Desk, request: web.Request) -> web.Response:
    """Answer the icon where a browser looks for it unasked."""
    return _send(request, desk.static["icon.svg"])


async def show_lost(_desk: Desk, request: web.Request) -> web.Response:
    """Refuse an address that nothing lies behind.

    Raises:
        NotFoundError: always.
    """
    raise NotFoundError(
        f"There is no page at {request.path[:200]}", "The list of your sites leads to everything there is."
    )


def _send(request: web.Request, found: StaticFile) -> web.Response:
    if any(item.value == found.digest for item in request.if_none_match or ()):
        return web.Response(status=304, headers={"ETag": f'"{found.digest}"'})
    answer = web.Response(body=found.body, content_type=found.content_type, charset="utf-8")
    answer.etag = found.digest
    return answer
