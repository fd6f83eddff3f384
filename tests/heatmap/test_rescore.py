"""`jalki rescore`: the past judged anew, also by a process that is killed in the middle."""

import asyncio
import json
import os
import random
import signal
import sys

from traffic import WEBDRIVER, add_test_site, make_traffic, store_flush

from collector.db import Conn, Pool
from heatmap.rollup import advance

TIMEOUT_S = 60
_VIEWS = "select coalesce(sum(views), 0)::int from rollup_pages where page_id = 0 and audience = $1"


async def _fill(conn: Conn) -> tuple[int, int]:
    """Store a site's traffic, rolled up; return the numbers of people's and bots' views."""
    traffic = make_traffic(random.Random(3), views=30)
    site = await add_test_site(conn)
    await store_flush(conn, site, traffic, 1)
    while (await advance(conn, site.shard_keys[0], site.created_at)).flushes:
        pass
    views = {sent.body["w"]["i"] for sent in traffic}
    bots = {sent.body["w"]["i"] for sent in traffic if sent.body["w"].get("m") == WEBDRIVER}
    return len(views - bots), len(bots)


async def _count(conn: Conn) -> tuple[int, int]:
    return await conn.fetchval(_VIEWS, 0), await conn.fetchval(_VIEWS, 1)


async def _start(url: str, *words: str) -> asyncio.subprocess.Process:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JALKI_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", "rescore", "--database-url", url, "--json", *words),
        stdout=asyncio.subprocess.PIPE,
        env=environ,
    )


async def _rescore(url: str, *words: str) -> dict:
    process = await _start(url, *words)
    out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 0
    return json.loads(out)["sites"][0]


async def test_a_threshold_of_its_own_moves_a_sites_past(postgres_url: str, pool: Pool) -> None:
    """101 makes people of all, 0 lets the setting decide again; stored scores stay where the weights did."""
    async with pool.acquire() as conn:
        people, bots = await _fill(conn)
        assert await _count(conn) == (people, bots)

        assert (await _rescore(postgres_url, "--site", "1", "--score", "101"))["score"] == 101
        assert await _count(conn) == (people + bots, 0)
        answer = await _rescore(postgres_url, "--score", "0")

        assert (answer["score"], answer["rescored"]) == (50, 0)
        assert await _count(conn) == (people, bots)


async def test_scores_of_older_weights_are_brought_up_to_date(postgres_url: str, pool: Pool) -> None:
    """The column beside the signs says what they weigh now."""
    async with pool.acquire() as conn:
        await _fill(conn)
        before = await conn.fetch("select view_id, seq, bot_score from view_reports order by 1, 2")
        await conn.execute("update view_reports set bot_score = 7 where bot_signs <> 0")

        answer = await _rescore(postgres_url)

        assert answer["rescored"] == await conn.fetchval("select count(*) from view_reports where bot_signs <> 0")
        assert await conn.fetch("select view_id, seq, bot_score from view_reports order by 1, 2") == before


async def test_a_killed_rescore_is_made_good_by_the_next(postgres_url: str, pool: Pool) -> None:
    """kill -9 while it waits in the middle of its transaction: nothing of it is seen, and a repetition does it all."""
    async with pool.acquire() as conn, pool.acquire() as holder:
        people, bots = await _fill(conn)
        async with holder.transaction():
            await holder.execute("lock table rollup_sections in share mode")
            process = await _start(postgres_url, "--score", "101")
            waiting = (
                "select 1 from pg_stat_activity where application_name = 'jalki rescore' and wait_event_type = 'Lock'"
            )
            async with asyncio.timeout(TIMEOUT_S):
                while await conn.fetchval(waiting) is None:  # noqa: ASYNC110  # another process's lock makes no event
                    await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert await _count(conn) == (people, bots)

        await _rescore(postgres_url)

        assert await _count(conn) == (people + bots, 0)
