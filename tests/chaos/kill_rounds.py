"""Kills the whole service in the middle of traffic, again and again, and recounts what it had acknowledged.

An oracle beside the service notes what was sent and what got a 204. After each `kill -9` of every process of the
group (Postgres included) the service starts again on the same data, and the facts are compared with the notes:
LOST = acknowledged but not stored, PHANTOM = stored but never sent, DOUBLED = stored more than once.

    make chaos ARGS="--rounds 300"
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
from service import Service, run_command, start_service

from collector.embedded import running_url

SENDERS = 16
TRAFFIC_S = (0.3, 1.5)
_CLICK = {"t": 10, "e": 0, "x": 100, "y": 50, "fx": 128, "fy": 128, "w": 80, "h": 20, "g": 0, "k": 0}
_VIEW = {"q": 0, "n": 0, "p": "/", "c": 0, "a": 500, "e": 400, "h": [900, 2000]}
_BATCH = {"v": 1, "g": [[1440, 900, 1440, 2000]], "d": [[-1, "#buy"]]}


@dataclass(slots=True)
class Oracle:
    """What was sent and what was acknowledged: batch id → number of clicks."""

    sent: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recount:
    """The difference between the notes and the database, in batches, and the totals compared."""

    lost: int
    phantom: int
    doubled: int
    acknowledged: int
    clicks_stored: int
    clicks_on_map: int


async def run_rounds(data: Path, rounds: int, seed: int) -> Recount:
    """Run `rounds` kills on one data folder and return the recount at the end."""
    rng = random.Random(seed)
    oracle = Oracle()
    service = await start_service(data)
    site = await run_command(data, "site", "add", "--name", "kill", "--origin", "https://kill.example")
    for _ in range(rounds):
        await _send_until_killed(service, str(site["key"]), oracle, rng)
        service = await start_service(data)
    try:
        return await _recount(data, int(str(site["site_id"])), oracle)
    finally:
        await service.stop()


async def _send_until_killed(service: Service, key: str, oracle: Oracle, rng: random.Random) -> None:
    killed = asyncio.Event()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(_send(session, service.url, key, oracle, rng, killed))
        await asyncio.sleep(rng.uniform(*TRAFFIC_S))
        await service.kill_group()
        killed.set()


async def _send(
    session: aiohttp.ClientSession, url: str, key: str, oracle: Oracle, rng: random.Random, killed: asyncio.Event
) -> None:
    while not killed.is_set():
        batch_id, clicks = f"{rng.getrandbits(128):032x}", rng.randint(0, 5)
        oracle.sent[batch_id] = clicks
        body = json.dumps(_batch(key, batch_id, clicks, rng))
        try:
            async with session.post(f"{url}/v1/events", data=body, timeout=aiohttp.ClientTimeout(total=10)) as answer:
                if answer.status == 204:
                    oracle.acknowledged[batch_id] = clicks
        except (aiohttp.ClientError, TimeoutError):
            continue


def _batch(key: str, batch_id: str, clicks: int, rng: random.Random) -> dict[str, object]:
    now_ms = int(time.time() * 1000)
    columns = {name: [value] * clicks for name, value in _CLICK.items()} | {"n": list(range(1, clicks + 1))}
    view = _VIEW | {"i": f"{rng.getrandbits(64):016x}", "s": now_ms - 1000}
    return _BATCH | {"b": batch_id, "k": key, "t": now_ms, "w": view, "c": columns}


async def _recount(data: Path, site_id: int, oracle: Oracle) -> Recount:
    connection = await asyncpg.connect(running_url(data))
    try:
        await _wait_until_settled(connection)
        ledger = [
            row[0].hex
            for row in await connection.fetch("select batch_id from ledger where shard_key >> 8 = $1", site_id)
        ]
        reports = int(await connection.fetchval("select count(*) from view_reports where shard_key >> 8 = $1", site_id))
        clicks = int(await connection.fetchval("select count(*) from clicks where shard_key >> 8 = $1", site_id))
        on_map = int(
            await connection.fetchval(
                "select coalesce(sum(clicks), 0) from rollup_clicks where shard_key >> 8 = $1", site_id
            )
        )
        views = int(
            await connection.fetchval(
                "select count(distinct view_id) from view_reports where shard_key >> 8 = $1", site_id
            )
        )
    finally:
        await connection.close()
    known = set(ledger)
    return Recount(
        lost=len(oracle.acknowledged.keys() - known),
        phantom=len(known - oracle.sent.keys()) + abs(clicks - sum(oracle.sent.get(batch, 0) for batch in known)),
        doubled=abs(reports - len(known)) + abs(reports - views),
        acknowledged=len(oracle.acknowledged),
        clicks_stored=clicks,
        clicks_on_map=on_map,
    )


async def _wait_until_settled(connection: asyncpg.Connection) -> None:
    deadline = time.monotonic() + 60
    pending = True
    while pending and time.monotonic() < deadline:
        pending = await connection.fetchval("select exists (select from ledger where not settled), pg_sleep(0.2)")
    assert not pending, "the worker did not settle the ledger in 60 s"


def main() -> int:
    """Run the rounds asked for, print the recount, and end with 1 where anything was lost, made up or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        recount = asyncio.run(run_rounds(Path(folder) / "data", options.rounds, options.seed))
    print(recount)
    return int(
        bool(recount.lost or recount.phantom or recount.doubled or recount.clicks_stored != recount.clicks_on_map)
    )


if __name__ == "__main__":
    sys.exit(main())
