"""The demo: a sample shop, two weeks of believable visitors and a trickle of live ones.

It exists so that a newcomer sees every page of the dashboard at work a minute after cloning. Everything it shows came
through the real doors: recorded batches through the importer, live ones through `POST /v1/events`. It never writes to
tables itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """Where the demo finds the service and where it serves the sample shop."""

    base_url: str
    """Address under which browsers reach collector and dashboard, without a trailing slash."""
    host: str = "127.0.0.1"
    site_port: int = 8101
    seed: int = 7


async def run_demo(pool: asyncpg.Pool, plan: DemoPlan, stop: asyncio.Event, announce: Callable[[str], None]) -> None:
    """Fill an empty database, serve the sample shop and send live visitors until `stop` is set.

    Call it when the collector answers at `plan.base_url`. `announce` gets the shop's address once, when both the
    visitors and the shop are there. A second start on the same data adds neither a site nor visitors.

    Raises:
        DemoError: the shop's port is taken; the message says what to do.
    """
    raise NotImplementedError
