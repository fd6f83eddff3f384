"""The demo: a sample shop, two weeks of believable visitors and a trickle of live ones.

It exists so that a newcomer sees every page of the dashboard at work a minute after cloning. Everything it shows came
through the real doors: recorded batches through the importer, live ones through `POST /v1/events`. It never writes to
tables itself.
"""

import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click
import numpy as np
from aiohttp import web

from collector import importer, layouts, sites, store
from collector.bots import ONLY_CERTAIN
from collector.db import Pool
from collector.errors import AddressError
from collector.thresholds import write_threshold
from heatmap.demo.live import Door, Trickle, send_visitors
from heatmap.demo.recording import Recording, load_recording
from heatmap.demo.shop import ShopLinks, setup_sample_site
from heatmap.demo.visitors import DAYS, LAST_SHOWN, Span, generate

_log = logging.getLogger(__name__)

SITE_NAME = "Savi & Lehti (sample shop)"
TIME_ZONE = "Europe/Helsinki"


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """Where the demo finds the service and where it serves the sample shop."""

    base_url: str
    """Address under which browsers reach collector and dashboard, without a trailing slash."""
    host: str = "127.0.0.1"
    site_port: int = 8101
    """0: any free port."""
    seed: int = 7


async def run_demo(pool: Pool, plan: DemoPlan, stop: asyncio.Event, announce: Callable[[str], None]) -> None:
    """Fill an empty database, serve the sample shop and send live visitors until `stop` is set.

    Call it when the collector answers at `plan.base_url`. `announce` gets the shop's address once, when both the
    visitors and the shop are there. A second start on the same data adds neither a site nor visitors; one after an
    import that was cut short completes it.

    Raises:
        AddressError: the shop's port is taken; the message says what to do.
    """
    now = datetime.now(UTC)
    site = await open_demo_site(pool, now)
    recording = load_recording()
    async with serve_shop(plan, site) as address:
        if not await is_filled(pool, site):
            await fill(pool, site, plan.seed, stop)
        if stop.is_set():
            return
        announce(f"{address}/")
        door = Door(plan.base_url, site.key, address)
        rng = np.random.default_rng([plan.seed, int(now.timestamp())])
        await send_visitors(Trickle(door, recording, rng, lambda: datetime.now(UTC)), stop)


async def open_demo_site(pool: Pool, now: datetime) -> sites.Site:
    """Return the sample shop's site, which is added where it is not there yet.

    It takes batches from any origin, so that the shop may move to another port.
    """
    async with pool.acquire() as conn:
        known = [site for site in await sites.load_sites(conn) if site.name == SITE_NAME]
        if known:
            return known[0]
        key = sites.build_site_key(secrets.token_bytes(sites.KEY_BYTES))
        site = await sites.add_site(conn, sites.NewSite(SITE_NAME, time_zone=TIME_ZONE), key, now)
        # Whoever tries the shop with a browser that a program drives looks for these clicks on the map.
        await write_threshold(conn, site.site_id, ONLY_CERTAIN)
        return site


async def is_filled(pool: Pool, site: sites.Site) -> bool:
    """Return whether the two weeks are there: their last line carries a layout that no other line does."""
    async with pool.acquire() as conn:
        ages = await layouts.load_layout_ages(conn, site.shard_keys, site.created_at - timedelta(days=1))
    return LAST_SHOWN in {(key.page_id, key.device) for key in ages}


async def fill(pool: Pool, site: sites.Site, seed: int, stop: asyncio.Event) -> None:
    """Import the two weeks before the site was added; the same lines each time, so that none is stored twice.

    Stops early, with what is stored so far, when `stop` is set.
    """
    last = site.created_at.date()
    async with pool.acquire() as conn:  # all at once, before the worker has facts to read and locks to hold
        await store.ensure_partitions(conn, last - timedelta(days=DAYS), last)
    lines = await asyncio.to_thread(_build_lines, load_recording(), site, seed, stop)
    with click.progressbar(length=len(lines), label=f"jalki demo: {DAYS} days of visitors", file=sys.stderr) as bar:
        result = await importer.import_recording(pool, site, _until(stop, lines), bar.update)
    if result.dropped:
        _log.warning("%d batches of the sample visitors were refused: %s", result.dropped.total(), dict(result.dropped))


@asynccontextmanager
async def serve_shop(plan: DemoPlan, site: sites.Site) -> AsyncIterator[str]:
    """Serve the sample shop while the block runs; yields its address without a trailing slash.

    Raises:
        AddressError: the port is taken.
    """
    app = web.Application()
    links = ShopLinks(f"{plan.base_url}/s/{site.key}.js", f"{plan.base_url}/sites/{site.site_id}/heatmap")
    setup_sample_site(app, links)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        server = web.TCPSite(runner, plan.host, plan.site_port)
        try:
            await server.start()
        except OSError as error:
            raise AddressError(
                f"the sample shop cannot listen on {plan.host} port {plan.site_port}: {error.strerror}; "
                "choose another with --site-port"
            ) from error
        yield _address(plan.host, runner)
    finally:
        await runner.cleanup()


def _build_lines(recording: Recording, site: sites.Site, seed: int, stop: asyncio.Event) -> list[bytes]:
    span = Span(site.key, site.time_zone, site.created_at)
    return list(_until(stop, generate(np.random.default_rng(seed), recording, span)))


def _until(stop: asyncio.Event, lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        if stop.is_set():
            return
        yield line


def _address(host: str, runner: web.AppRunner) -> str:
    port = runner.addresses[0][1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"
