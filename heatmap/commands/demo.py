"""`jalki demo`: everything, with a sample shop and its visitors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from collector.settings import Settings
from heatmap.commands.place import settings_options
from heatmap.commands.running import log_to_stderr, run_until_stopped
from heatmap.commands.service import Service, running_service
from heatmap.commands.terminal import command, json_option
from heatmap.commands.up import announce
from heatmap.demo import DemoPlan, run_demo


@command("demo", example="jalki demo --data ./demo-data --port 8100 --site-port 8101")
@settings_options(listens=True)
@click.option("--site-port", type=click.IntRange(0, 65535), default=8101, show_default=True, help="Port of the shop.")
@json_option
def demo(settings: Settings, site_port: int, *, as_json: bool) -> None:
    """Run everything with a sample shop on another port, two weeks of visitors and a trickle of live ones.

    Click in the shop, and the clicks appear in its heatmaps within seconds.
    """
    log_to_stderr(settings.log_format)
    run_until_stopped(_run(settings, site_port, as_json=as_json))


async def _run(settings: Settings, site_port: int, *, as_json: bool) -> None:
    async with running_service(settings) as service, _sample_shop(service, site_port) as shop:
        await announce(service, as_json=as_json)
        watch = asyncio.create_task(service.watch())
        try:
            ended, _ = await asyncio.wait({watch, shop}, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            watch.cancel()


@asynccontextmanager
async def _sample_shop(service: Service, site_port: int) -> AsyncIterator["asyncio.Task[None]"]:
    """Keep the shop and its visitors going while the block runs; entered once both are there."""
    stop, is_there = asyncio.Event(), asyncio.Event()

    def tell(address: str) -> None:
        click.echo(f"jalki demo: the sample shop is {address}", err=True)
        is_there.set()

    plan = DemoPlan(base_url=service.base_url, host=service.settings.host, site_port=site_port)
    shop = asyncio.create_task(run_demo(service.pool, plan, stop, tell))
    told = asyncio.create_task(is_there.wait())
    try:
        await asyncio.wait({shop, told}, return_when=asyncio.FIRST_COMPLETED)
        if shop.done():
            shop.result()
        yield shop
    finally:
        told.cancel()
        stop.set()
        await shop
