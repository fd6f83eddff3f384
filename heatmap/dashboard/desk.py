"""What every handler of the dashboard needs: pool, templates, static files and clock, in one frozen object."""

import asyncio
import hashlib
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from collector.bundles import load_bundles
from collector.db import Pool
from collector.errors import NotFoundError
from collector.ids import SiteId
from collector.settings import Settings
from collector.sites import Site, load_site
from heatmap.dashboard import figures
from heatmap.dashboard.query import parse_site_id
from heatmap.dashboard.wording import interest_step, section_name

_ROOT = Path(__file__).parent
DRAWINGS_AT_ONCE = 2
"""Pictures drawn at the same time: each takes a core and tens of MB; more of them only wait for each other."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the dashboard's own, held in memory."""

    body: bytes
    content_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Desk:
    """The dashboard's means; `now` is its clock."""

    settings: Settings
    pool: Pool
    templates: Environment
    static: Mapping[str, StaticFile]
    drawings: asyncio.Semaphore
    script: str
    """The snippet as it is built, which pinned tags name."""
    now: Callable[[], datetime]

    def render(self, template: str, **values: object) -> str:
        """Return the text of a template; every value is escaped as it is written."""
        return self.templates.get_template(template).render(now=self.now(), **values)

    def page(self, template: str, *, status: int = 200, **values: object) -> web.Response:
        """Return a template as an HTML answer."""
        return web.Response(text=self.render(template, **values), status=status, content_type="text/html")

    def today(self, site: Site) -> date:
        """Return the site's local date, which is the day its rollups call today."""
        return self.now().astimezone(ZoneInfo(site.time_zone)).date()

    def origin(self, request: web.Request) -> str:
        """Return the address under which browsers reach this service, without a slash at the end."""
        return self.settings.public_url.rstrip("/") or f"{request.scheme}://{request.host}"

    def is_https(self, request: web.Request) -> bool:
        """Return whether browsers reach this service over TLS, perhaps ended by a proxy."""
        return self.origin(request).startswith("https://")

    async def load_site(self, request: web.Request) -> Site:
        """Return the site that the address names.

        Raises:
            NotFoundError: there is none.
        """
        asked = request.match_info["site"]
        try:
            async with self.pool.acquire() as conn:
                return await load_site(conn, SiteId(parse_site_id(asked)))
        except NotFoundError as error:
            hint = "A site's address ends in its number, for example /sites/1. All sites are in the list of sites."
            raise NotFoundError(f"There is no site {asked[:40]}", hint) from error


def open_desk(settings: Settings, pool: Pool, now: Callable[[], datetime]) -> Desk:
    """Return the dashboard's means, its templates and static files read from the package."""
    static = load_static(_ROOT / "static")
    return Desk(
        settings, pool, open_templates(static), static, asyncio.Semaphore(DRAWINGS_AT_ONCE), load_bundles().present, now
    )


def load_static(folder: Path) -> dict[str, StaticFile]:
    """Return every file of `folder` by name."""
    files = {}
    for path in sorted(folder.iterdir()):
        body = path.read_bytes()
        kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
        files[path.name] = StaticFile(body, kind or "application/octet-stream", hashlib.sha256(body).hexdigest()[:16])
    return files


def open_templates(static: Mapping[str, StaticFile]) -> Environment:
    """Return the templates with their filters; undefined names are errors, everything is escaped."""
    templates = Environment(
        loader=FileSystemLoader(_ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    named = (
        figures.count, figures.compact, figures.duration, figures.percent, figures.interval, figures.times,
        figures.change, figures.points, figures.is_few, figures.day, figures.long_day, figures.ago,
        figures.device_title, figures.anchor, interest_step, section_name,
    )  # fmt: skip
    templates.filters.update({item.__name__: item for item in named})
    templates.globals["span_of"] = figures.span
    templates.globals["few_views"] = figures.FEW_VIEWS
    logo = static.get("logo.svg")
    templates.globals["logo"] = Markup(logo.body.decode()) if logo else ""  # noqa: S704  # our own file, no outside text
    return templates
