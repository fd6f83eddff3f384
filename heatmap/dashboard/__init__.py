"""The dashboard and the HTTP API: who may see what, and how it looks; figures come from `reports` and `images`."""

from datetime import UTC, datetime

from aiohttp import web

from collector.db import Pool
from collector.settings import Settings
from heatmap.dashboard import api, report_views, sign_in, site_views
from heatmap.dashboard.assets import answer_icon, answer_static, show_lost
from heatmap.dashboard.desk import open_desk
from heatmap.dashboard.gate import guard_api, guard_page

__all__ = ["setup_dashboard"]


def setup_dashboard(app: web.Application, settings: Settings, pool: Pool) -> None:
    """Add every page, API route and static file of the dashboard to `app`.

    Call it after the collector's routes: what nobody else answers is answered with the dashboard's own "not found".
    """
    desk = open_desk(settings, pool, lambda: datetime.now(UTC))
    router = app.router
    router.add_get("/static/{name}", guard_page(desk, answer_static, is_open=True))
    router.add_get("/favicon.ico", guard_page(desk, answer_icon, is_open=True))
    router.add_get("/sign-in", guard_page(desk, sign_in.show_sign_in, is_open=True))
    router.add_post("/sign-in", guard_page(desk, sign_in.sign_in, is_open=True))
    router.add_post("/sign-out", guard_page(desk, sign_in.sign_out, is_open=True))
    router.add_get("/", guard_page(desk, site_views.show_sites))
    router.add_get("/sites/new", guard_page(desk, site_views.show_new_site))
    router.add_post("/sites/new", guard_page(desk, site_views.create_site))
    router.add_get("/sites/{site}", guard_page(desk, report_views.show_overview))
    router.add_get("/sites/{site}/install", guard_page(desk, site_views.show_install))
    router.add_get("/sites/{site}/heatmap", guard_page(desk, report_views.show_heatmap))
    router.add_get("/sites/{site}/heatmap/viewer", guard_page(desk, report_views.show_viewer))
    router.add_get("/sites/{site}/engagement", guard_page(desk, report_views.show_engagement))
    for name, handler in api.ROUTES.items():
        scope = "export" if name.endswith(".csv") else "read"
        router.add_route("*", f"{api.SITE_ROUTE}/{name}", guard_api(desk, handler, scope))
    router.add_route("*", "/api/{rest:.*}", guard_api(desk, api.refuse_unknown_route, None))
    router.add_get("/{rest:.*}", guard_page(desk, show_lost))
