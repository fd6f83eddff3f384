"""One batch many times: twenty copies at once to two collectors, again after a kill −9, and again a day later."""

import asyncio
from datetime import UTC, datetime

from mutants import DAY
from oracle import FLUSH_S
from recount import Totals, roll_up
from runs import Figure, Plan, RunResult
from stage import Stage, free_port, open_stage

from collector import db
from collector.settings import Settings
from heatmap.worker import tidy

NAME = "retry storm"
MUTANTS = ("ignores_the_ledger",)
_COPIES = 20
_BATCHES = 20  # before the kill, at least


async def run(plan: Plan) -> RunResult:
    """Send every batch 20 times at once, three times over; each may count once in facts and in every total."""
    async with open_stage(plan) as stage:
        ports = stage.port, free_port()
        await _storm_across_a_kill(stage, ports, plan.pick(0.5, 5, 60))
        before = await _roll_up(stage)
        if not plan.mutant:
            await _storm_a_day_later(stage, ports)
        after = await _roll_up(stage)
        replies = stage.oracle.notes().replies
        copies = sum(reply.is_acknowledged for reply in replies) / max(1, len(stage.oracle.notes().acknowledged))
        figures = (
            Figure("acknowledged copies of a batch, mean", f"{copies:.0f}", ">= 40", copies >= 40),
            Figure("every total equals the facts", f"{after.clicks:,} clicks", "difference 0", after.is_equal),
            Figure("totals a day later", f"{after.of_site:,} clicks", f"{before.of_site:,}", after == before),
        )
        return await stage.result(NAME, figures)


async def _storm_across_a_kill(stage: Stage, ports: tuple[int, int], seconds: float) -> None:
    """Send new batches, then all of them again while one of the two collectors is killed and started."""
    collectors = list(await asyncio.gather(*(stage.start_collector(port) for port in ports)))
    wave = stage.wave(ports=ports, senders=2 * _COPIES, copies=_COPIES, retry_share=1)
    await stage.oracle.begin(wave)
    await asyncio.sleep(seconds)
    while len(stage.oracle.notes().acknowledged) < _BATCHES:  # noqa: ASYNC110  # another process sets no event
        await asyncio.sleep(FLUSH_S)
    await collectors[0].kill()
    collectors[0] = await stage.start_collector(ports[0])
    await stage.oracle.end()
    await _send_again(stage, ports)
    for collector in collectors:
        await collector.stop()


async def _storm_a_day_later(stage: Stage, ports: tuple[int, int]) -> None:
    """Send all of them again to collectors whose clock is a day ahead, after the worker has kept house there."""
    pool = await db.open_pool(stage.url, size=2)
    try:
        await tidy(pool, Settings(), datetime.now(UTC) + DAY)
    finally:
        await pool.close()
    collector = await stage.start_collector(ports[0], "a_day_later")
    await _send_again(stage, ports[:1], late_s=DAY.total_seconds())
    await collector.stop()


async def _send_again(stage: Stage, ports: tuple[int, ...], late_s: float = 0.0) -> None:
    wave = stage.wave(ports=ports, senders=2 * _COPIES, copies=_COPIES, retry_share=1, is_repeat=True, late_s=late_s)
    await stage.oracle.begin(wave)
    await stage.oracle.finish()


async def _roll_up(stage: Stage) -> Totals:
    conn = await stage.connect()
    try:
        return await roll_up(conn, stage.site.site_id)
    finally:
        await conn.close()
