"""While Postgres is away batches are kept on disk and acknowledged; afterwards each is stored once."""

import asyncio
import contextlib
import dataclasses
import datetime
import itertools
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest_asyncio
from wire_batches import NOW, batch_rows

from collector import buffer as buffer_module
from collector import db
from collector.buffer import Buffer, Keeping, Outcome
from collector.catalog import Dictionaries
from collector.embedded import EmbeddedPostgres, start_postgres
from collector.metrics import Metrics
from collector.settings import Settings
from collector.spool import Spool, open_spool
from collector.standby import Standby, StandbyTools
from collector.store import FlushIds, ensure_partitions
from collector.wire import Drop, DropReason


@dataclasses.dataclass(slots=True)
class Switch:
    """A Postgres of this module's own."""

    folder: Path
    server: EmbeddedPostgres
    databases: "itertools.count[int]" = dataclasses.field(default_factory=lambda: itertools.count(1))

    async def stop(self) -> None:
        await self.server.stop()

    async def start(self) -> None:
        if self.server.process.poll() is not None:
            self.server = await start_postgres(self.folder)

    async def create_database(self) -> str:
        conn = await asyncpg.connect(self.server.database_url("postgres"))
        name = f"standby_{next(self.databases)}"
        await conn.execute(f"create database {name} template jalki")
        await conn.close()
        return self.server.database_url(name)


@dataclasses.dataclass(slots=True)
class House:
    """A buffer with a spool on a database of its own."""

    postgres: Switch
    url: str
    spool: Spool
    buffer: Buffer

    async def put(self, n: int) -> list[object]:
        return await asyncio.gather(*(self.buffer.put(batch_rows()) for _ in range(n)))

    async def count(self, table: str) -> int:
        conn = await asyncpg.connect(self.url)
        try:
            return await conn.fetchval(f"select count(*) from {table}")
        finally:
            await conn.close()

    async def drained(self) -> None:
        async with asyncio.timeout(30):
            while self.spool.depth or self.buffer.state != "storing":  # noqa: ASYNC110  # the spool sets no event
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(postgres: Switch, home: Path, max_bytes: int) -> AsyncIterator[House]:
    url = await postgres.create_database()
    pool = await db.open_pool(url)
    async with pool.acquire() as conn:
        await ensure_partitions(conn, NOW.date(), NOW.date() + datetime.timedelta(days=7))
    ticks = itertools.count(1)
    tools = StandbyTools(pool, FlushIds(lambda: next(ticks), 1), Dictionaries(), lambda: NOW)
    standby = Standby(tools)
    standby.spool = spool = open_spool(home, max_bytes)
    held = Buffer(Keeping(tools, standby, Metrics()), dataclasses.replace(Settings(), spool_after_ms=500))
    task = asyncio.create_task(held.run())
    try:
        yield House(postgres, url, spool, held)
    finally:
        held.close()
        await asyncio.wait_for(task, 10)
        await spool.close()
        pool.terminate()


@pytest_asyncio.fixture(scope="module")
async def own_postgres() -> AsyncIterator[Switch]:
    """A server that tests may stop, with a migrated template."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240  # as root, Postgres runs as another user
        server = await start_postgres(Path(folder) / "data")
        await db.migrate(server.url)
        yield (switch := Switch(Path(folder) / "data", server))
        await switch.server.stop()


@pytest_asyncio.fixture
async def start_house(own_postgres, tmp_path):
    """Start a buffer and its spool on a fresh database; a server that the test stopped is started again in the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(max_bytes: int = 1 << 24) -> House:
            return await stack.enter_async_context(running(own_postgres, tmp_path / "spool", max_bytes))

        yield start
    await own_postgres.start()


@pytest_asyncio.fixture
async def house(start_house) -> House:
    return await start_house()


async def test_batches_are_acknowledged_while_postgres_is_away_and_stored_afterwards(house):
    """What came before, while and after Postgres was down is there once, and new batches go straight in again."""
    before = await house.put(5)
    await house.postgres.stop()
    meanwhile = await house.put(20) + await house.put(20)
    kept = house.spool.depth
    state = house.buffer.state
    await house.postgres.start()
    await house.drained()
    after = await house.put(5)

    assert (set(before), set(meanwhile), set(after)) == ({Outcome.STORED}, {Outcome.SPOOLED}, {Outcome.STORED})
    assert (kept, state) == (40, "spooling")
    assert [await house.count(table) for table in ("ledger", "view_reports", "clicks")] == [50, 50, 100]
    assert await house.count("(select flush_id from ledger group by 1 having count(*) > 1)") > 0


async def test_a_postgres_that_hangs_is_not_waited_for(house):
    """A frozen server holds nobody up longer than the limit, and what it was writing is stored once."""
    await house.put(1)
    parent = house.postgres.server.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text()  # noqa: ASYNC240  # the kernel's memory
    group = [parent, *map(int, children.split())]
    try:
        for pid in group:
            os.kill(pid, signal.SIGSTOP)
        answers = await house.put(10)
    finally:
        for pid in group:
            os.kill(pid, signal.SIGCONT)
    await house.drained()

    assert set(answers) == {Outcome.SPOOLED}
    assert await house.count("view_reports") == 11


async def test_a_batch_that_is_in_the_spool_and_in_the_database_is_stored_once(house, monkeypatch):
    """A flush whose COMMIT got no answer goes to the spool although it was stored: draining it adds nothing."""
    write = buffer_module.write_batches

    async def write_and_lose_the_answer(*arguments):
        await write(*arguments)
        raise ConnectionResetError("the answer was lost")

    monkeypatch.setattr(buffer_module, "write_batches", write_and_lose_the_answer)
    answers = await house.put(3)
    monkeypatch.undo()
    await house.drained()

    assert set(answers) == {Outcome.SPOOLED}
    assert [await house.count(table) for table in ("ledger", "view_reports", "clicks")] == [3, 3, 6]


async def test_a_full_spool_refuses_and_takes_again(start_house):
    """With no room on disk batches are refused with a reason; what was acknowledged before is stored in the end."""
    house = await start_house(max_bytes=200_000)
    await house.postgres.stop()
    answers = [answer for _ in range(10) for answer in await house.put(50)]
    state = house.buffer.state
    await house.postgres.start()
    await house.drained()
    again = await house.put(1)
    stored = await house.count("view_reports")

    spooled = [answer for answer in answers if answer is Outcome.SPOOLED]
    refused = {answer.reason for answer in answers if isinstance(answer, Drop)}
    assert refused == {DropReason.SPOOL_FULL}
    assert state == "refusing"
    assert again == [Outcome.STORED]
    assert stored == len(spooled) + 1 > 1


async def test_closing_keeps_what_postgres_does_not_take(house):
    """A collector that stops while Postgres is away leaves its batches in the spool, acknowledged."""
    await house.postgres.stop()
    puts = [asyncio.create_task(house.buffer.put(batch_rows())) for _ in range(5)]
    await asyncio.sleep(0)
    house.buffer.close()

    answers = await asyncio.gather(*puts)

    assert set(answers) == {Outcome.SPOOLED}
    assert house.spool.depth == 5
