"""Group commit under trouble: nothing that was acknowledged is lost, nothing is stored twice."""

import asyncio
import contextlib
import dataclasses
import itertools

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from wire_batches import NOW, NOW_MS, batch_rows

from collector import buffer as buffer_module
from collector.buffer import Buffer, Keeping, Outcome
from collector.catalog import Dictionaries
from collector.metrics import Metrics
from collector.rows import BatchRows
from collector.settings import Settings
from collector.spool import Spool
from collector.standby import Standby, StandbyTools
from collector.store import FlushIds
from collector.wire import Drop, DropReason


@contextlib.asynccontextmanager
async def running(pool, spool: Spool | None = None, **changes: object):
    settings = dataclasses.replace(Settings(), **changes)
    ticks = itertools.count(1)
    tools = StandbyTools(pool, FlushIds(lambda: next(ticks), 1), Dictionaries(), lambda: NOW)
    standby = Standby(tools)
    standby.spool = spool
    held = Buffer(Keeping(tools, standby, Metrics()), settings)
    task = asyncio.create_task(held.run())
    try:
        yield held
    finally:
        held.close()
        await asyncio.wait_for(task, 10)


@pytest_asyncio.fixture
async def witness(postgres_url):
    """A connection beside the pool, which sees only what was committed."""
    conn = await asyncpg.connect(postgres_url)
    yield conn
    await conn.close()


def refused_by_postgres() -> BatchRows:
    """Rows as a decoder that lets U+0000 pass would make them."""
    rows = batch_rows()
    return msgspec.structs.replace(rows, page=msgspec.structs.replace(rows.page, page_id=5, path="/\0"))


async def until_waiting_for(conn: asyncpg.Connection, query: str) -> int:
    """Return the backend that waits for a lock while it runs `query`; asks until there is one."""
    async with asyncio.timeout(10):
        while True:
            pid = await conn.fetchval(
                "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like $1", f"%{query}%"
            )
            if pid is not None:
                return pid


async def test_batches_that_come_together_are_stored_together(pool, witness):
    """Batches put within the linger share one flush, that is one transaction."""
    async with running(pool, linger_ms=50) as held:
        answers = await asyncio.gather(*(held.put(batch_rows()) for _ in range(40)))

    assert set(answers) == {Outcome.STORED}
    assert await witness.fetchval("select count(distinct flush_id) from ledger") == 1


async def test_a_flush_is_bounded_by_rows(pool, witness):
    """More rows than a flush may hold make several flushes."""
    async with running(pool, linger_ms=50, flush_max_rows=40) as held:
        await asyncio.gather(*(held.put(batch_rows()) for _ in range(20)))

    assert await witness.fetchval("select count(distinct flush_id) from ledger") == 4


async def test_a_batch_is_answered_after_its_commit(pool, witness):
    """While the transaction is held back, the batch has no answer; once it has one, others see the rows."""
    async with running(pool) as held:
        await held.put(batch_rows())
        await witness.execute("begin")
        await witness.execute("lock table view_reports in share mode")
        async with pool.acquire() as observer:
            put = asyncio.create_task(held.put(batch_rows()))
            await until_waiting_for(observer, "COPY")
            assert not put.done()
            assert await observer.fetchval("select count(*) from ledger") == 1
        await witness.execute("rollback")

        assert await put is Outcome.STORED
        assert await witness.fetchval("select count(*) from clicks") == 4


async def test_two_copies_in_one_flush_are_one(pool, witness):
    """Of copies that wait together one is stored, and the others are duplicates."""
    rows = batch_rows()
    async with running(pool, linger_ms=50) as held:
        answers = await asyncio.gather(*(held.put(rows) for _ in range(3)))

    assert answers == [Outcome.STORED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert await witness.fetchval("select count(*) from view_reports") == 1


async def test_a_connection_killed_in_mid_flush_loses_and_doubles_nothing(pool, witness):
    """The backend is ended while it copies: the same flush is written again and every batch is stored once."""
    async with running(pool, linger_ms=50) as held:
        await held.put(batch_rows())
        await witness.execute("begin")
        await witness.execute("lock table view_reports in share mode")
        puts = [asyncio.create_task(held.put(batch_rows())) for _ in range(20)]
        async with pool.acquire() as observer:
            pid = await until_waiting_for(observer, "COPY")
            await observer.execute("select pg_terminate_backend($1)", pid)
        await witness.execute("rollback")

        assert set(await asyncio.gather(*puts)) == {Outcome.STORED}

    assert await witness.fetchval("select count(*) from ledger") == 21
    assert await witness.fetchval("select count(distinct flush_id) from ledger") == 2
    assert await witness.fetchval("select count(*) from view_reports") == 21
    assert await witness.fetchval("select count(*) from clicks") == 42


async def test_a_commit_whose_answer_was_lost_counts_as_stored(pool, witness, monkeypatch):
    """The connection breaks right after COMMIT: the retry finds its own rows, answers stored, and adds none."""
    write, failures = buffer_module.write_batches, iter([ConnectionResetError("the answer was lost")])

    async def write_and_lose_the_answer(*arguments):
        stored = await write(*arguments)
        for failure in failures:
            raise failure
        return stored

    monkeypatch.setattr(buffer_module, "write_batches", write_and_lose_the_answer)
    async with running(pool) as held:
        answer = await held.put(batch_rows())

    assert answer is Outcome.STORED
    assert await witness.fetchval("select count(*) from view_reports") == 1
    assert await witness.fetchval("select count(*) from clicks") == 2


async def test_connections_killed_again_and_again_lose_and_double_nothing(pool, witness):
    """While every backend is ended eight times over, each put ends in one stored batch."""
    answers: list[object] = []
    killed = asyncio.Event()

    async def kill() -> None:
        for _ in range(8):
            stored = len(answers)
            while len(answers) < stored + 5:  # some were stored since: the next kill meets flushes at every stage
                await witness.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where state <> 'idle'"
                    " and pid <> pg_backend_pid() and datname = current_database() and backend_type = 'client backend'"
                )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await killed.wait()
        killed.set()

    async def send(held: Buffer) -> None:
        while not killed.is_set():
            answers.append(await held.put(batch_rows()))

    async with running(pool, linger_ms=1) as held, asyncio.timeout(60):
        await held.put(batch_rows())
        await asyncio.gather(kill(), *(send(held) for _ in range(10)))

    assert set(answers) == {Outcome.STORED}
    assert await witness.fetchval("select count(*) from ledger") == len(answers) + 1
    assert await witness.fetchval("select count(*) from view_reports") == len(answers) + 1
    assert await witness.fetchval("select count(*) from clicks") == 2 * len(answers) + 2


@pytest.mark.parametrize("place", [0, 7, 15])
async def test_good_neighbours_of_a_bad_batch_are_stored(pool, witness, place, caplog):
    """A batch that Postgres refuses is told so and named in the log; all others of its flush are stored."""
    rows = [batch_rows() for _ in range(16)]
    rows[place] = refused_by_postgres()
    async with running(pool, linger_ms=50) as held:
        answers = await asyncio.gather(*(held.put(one) for one in rows))

    bad = answers.pop(place)
    assert isinstance(bad, Drop)
    assert bad.reason is DropReason.QUARANTINED
    assert [row[0].hex for row in await witness.fetch("select batch_id from quarantine")] == [rows[place].batch_id]
    assert set(answers) == {Outcome.STORED}
    assert await witness.fetchval("select count(*) from view_reports") == 15
    assert rows[place].batch_id in caplog.text


async def test_parts_of_a_halved_flush_have_ids_of_their_own(pool, witness):
    """No flush id is committed in two transactions: a rollup settles a flush, and must have read all of it."""
    rows = [refused_by_postgres(), *(batch_rows() for _ in range(7))]
    async with running(pool, linger_ms=50) as held:
        await asyncio.gather(*(held.put(one) for one in rows))

    transactions = await witness.fetch("select flush_id, count(distinct xmin::text) from ledger group by 1")
    assert len(transactions) == 3
    assert {row[1] for row in transactions} == {1}


async def test_a_bug_is_told_to_its_senders_and_the_buffer_goes_on(pool, witness, monkeypatch):
    """An error nobody foresaw reaches those who wait for that flush; the next flush is stored."""
    write, bugs = buffer_module.write_batches, iter([ZeroDivisionError("a bug")])

    async def write_with_a_bug(*arguments):
        for bug in bugs:
            raise bug
        return await write(*arguments)

    monkeypatch.setattr(buffer_module, "write_batches", write_with_a_bug)
    async with running(pool) as held:
        unlucky = await held.put(batch_rows())
        answer = await held.put(batch_rows())

    assert isinstance(unlucky, Drop)
    assert unlucky.reason is DropReason.UNAVAILABLE
    assert answer is Outcome.STORED
    assert held.held == 0


async def test_closing_stores_what_waits_and_takes_no_more(pool, witness):
    """What was put before the end is stored and answered; what comes after is sent away."""
    async with running(pool, linger_ms=5_000) as held:
        puts = [asyncio.create_task(held.put(batch_rows())) for _ in range(5)]
        await asyncio.sleep(0)
        held.close()
        late = await held.put(batch_rows())

    assert {put.result() for put in puts} == {Outcome.STORED}
    assert isinstance(late, Drop)
    assert late.reason is DropReason.OVERLOADED
    assert await witness.fetchval("select count(*) from ledger") == 5


async def test_a_sender_that_gave_up_does_not_harm_the_others(pool, witness):
    """A put that is cancelled while it waits leaves its flush whole."""
    async with running(pool, linger_ms=50) as held:
        given_up = asyncio.create_task(held.put(batch_rows()))
        await asyncio.sleep(0)
        given_up.cancel()
        answer = await held.put(batch_rows())

    assert answer is Outcome.STORED
    assert await witness.fetchval("select count(*) from ledger") == 2


def test_flush_ids_rise_and_never_repeat():
    """Ids of one process rise, also while its clock stands still or goes back, and differ from another's."""
    at = NOW_MS
    times = iter([at + 5, at + 5, *[at + 4] * 200, at + 9])
    ids = FlushIds(lambda: next(times), 7)
    other = FlushIds(lambda: at + 5, 8)

    made = [ids.make() for _ in range(203)]

    assert made == sorted(set(made))
    assert other.make() not in made
    assert all(0 < one < 2**63 for one in made)
