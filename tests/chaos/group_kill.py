"""Kill −9 of everything that `jalki up` runs, its Postgres included, in the middle of traffic."""

import asyncio
import random
import time

import asyncpg
from notes import percentile
from oracle import Wave
from recount import Totals, compare_totals, recount, wait_stored
from runs import Figure, Plan, RunResult
from service import run_command, start_service
from stage import HOST, free_port, start_oracle

from collector.embedded import running_url

NAME = "kill -9 of everything, Postgres too"
MUTANTS: tuple[str, ...] = ()
"""What `kill -9 of the collector` catches; here the command is started as a user starts it."""
_TRAFFIC_S = (0.3, 1.5)
_SETTLED_S = 60


async def run(plan: Plan) -> RunResult:
    """Kill the whole group again and again on one data folder; the worker rolls up meanwhile."""
    rng = random.Random(plan.seed)
    data, port = plan.folder / "data", free_port()
    service = await start_service(data, "--port", str(port))
    site = await run_command(data, "site", "add", "--name", "kill", "--origin", "https://kill.example")
    site_id = int(str(site["site_id"]))
    oracle = await start_oracle(plan)
    # One address may send 50 batches a second; what is refused is part of the traffic.
    await oracle.begin(Wave(HOST, (port,), str(site["key"]), think_s=0.1))
    killed: list[float] = []
    for _ in range(plan.pick(1, 5, 40)):
        await asyncio.sleep(rng.uniform(*_TRAFFIC_S))
        killed.append(time.monotonic())
        await service.kill_group()
        service = await start_service(data, "--port", str(port))
    await asyncio.sleep(0.5)
    await oracle.end()
    await oracle.close()
    notes = oracle.notes()
    try:
        conn = await asyncpg.connect(running_url(data))
        await wait_stored(conn, site_id, notes, _SETTLED_S)
        totals = await _wait_settled(conn, site_id)
        counted = await recount(conn, site_id, notes)
        await conn.close()
    finally:
        await service.stop()
    back_s = percentile([notes.back_after(moment_s) for moment_s in killed], 0.95)
    figures = (
        Figure("kills", f"{len(killed)}", "-", ok=True),
        Figure("every total equals the facts", f"{totals.clicks:,} clicks", "difference 0", totals.is_equal),
        Figure("back, Postgres recovered, p95", f"{back_s:.2f} s", "-", ok=True),
    )
    return RunResult(NAME, len(notes.acknowledged), counted.lost, counted.phantom, counted.duplicates, figures)


async def _wait_settled(conn: "asyncpg.Connection[asyncpg.Record]", site_id: int) -> Totals:
    """Wait until the worker has rolled up everything, and return its sums."""
    async with asyncio.timeout(_SETTLED_S):
        while await conn.fetchval("select exists (select from ledger where not settled)"):  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.2)
    return await compare_totals(conn, site_id)
